"""What English-only pre-training does to other languages: M-SpeechCLIP's claims at our sizes."""
