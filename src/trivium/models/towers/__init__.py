"""Published networks at every size, for speech, pictures and text: wrapped, never copied."""

from trivium.models.towers.networks import NETWORKS, Network, TowerSettings
from trivium.models.towers.picture import PictureTower
from trivium.models.towers.speech import Frames, SpeechTower
from trivium.models.towers.text import TextTower, encode_texts, train_tokenizer

__all__ = [
    "NETWORKS",
    "Frames",
    "Network",
    "PictureTower",
    "SpeechTower",
    "TextTower",
    "TowerSettings",
    "encode_texts",
    "train_tokenizer",
]
