"""What is said in recordings of any length, with times: transcripts, translations, subtitles."""
