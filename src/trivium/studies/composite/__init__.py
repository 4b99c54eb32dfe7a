"""The study `composite`: what each loss adds to a translator of speech, with how much speech."""
