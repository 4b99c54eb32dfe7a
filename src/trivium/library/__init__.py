"""A searchable collection of speech, texts and pictures."""
