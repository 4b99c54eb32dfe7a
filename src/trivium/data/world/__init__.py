"""The made world: scenes, sentences in six languages, and voices, all from one seed."""
