"""The study `fusion`: what text, pre-training and the head are good for, CTAL's ablation."""
