"""Settings of `fused`: both encoders, what is hidden, and the head."""

from typing import Literal, Self

from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.data.text import normaliser
from trivium.layers.fusion import Fusion
from trivium.models.towers import TowerSettings
from trivium.objectives.acoustic import AcousticSettings

Task = Literal["classify", "regress", "voices"]
Modality = Literal["text", "audio", "both"]
Side = Literal["text", "audio"]


class TextSettings(Settings):
    """The text encoder, shaped as RoBERTa; widths are those of the whole."""

    layers: int = Field(default=3, ge=1)
    """How many."""
    vocabulary: int = Field(default=30_000, ge=4)
    """Tokens. Where the tokenizer has no `<mask>` the last of them is the mask's."""
    positions: int = Field(default=512, ge=5)
    """As RoBERTa counts: the first two stand for no token. Longer texts are cut."""
    source: str | None = None
    """A RoBERTa to begin with: a folder in the hub's format, or a hub repository `owner/name`."""


class AudioSettings(Settings):
    """The audio encoder, and the features in front of it where no published network is."""

    layers: int = Field(default=3, ge=1)
    """How many."""
    positions: int = Field(default=3_000, ge=1)
    """Frames of the longest utterance: 37.5 s at 80 a second."""
    cross_attention: bool = True
    """Attend to the text in every layer; false is late fusion, which joins both in the head
    alone."""
    causal: bool = False
    """Let no frame see later ones, as the authors' release does by accident: to show what it
    costs."""
    bins: int = Field(default=80, ge=1)
    """Of the log-mel features; as many slopes stand behind them."""
    hop: int = Field(default=200, ge=1)
    """Samples from one frame to the next: 12.5 ms."""
    window: int = Field(default=800, ge=1)
    """Samples that a frame hears: 50 ms."""
    fft: int = Field(default=2_048, ge=2, multiple_of=2)
    """Samples of its spectrum, silence around the window included."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.window > self.fft:
            raise ValueError(
                f"a window of {self.window} samples does not fit a spectrum of {self.fft}"
            )
        return self


class FusedSettings(Settings):
    """As they stand here, the smallest of the authors' three networks."""

    width: int = Field(default=768, ge=1)
    """Of the states of both encoders."""
    heads: int = Field(default=12, ge=1)
    """Of attention."""
    feedforward: int = Field(default=3_072, ge=1)
    """Inner width of the feed-forward parts."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of inputs, attention, and what every part adds."""
    text: TextSettings = TextSettings()
    """The text encoder."""
    audio: AudioSettings = AudioSettings()
    """The audio encoder."""
    speech: TowerSettings | None = None
    """A HuBERT, WavLM or other published network, whose frames stand in place of the features."""
    train_speech: bool = False
    """Train it too; what is hidden could then not be asked for."""
    normaliser: str = "raw"
    """What is made of a text before the tokenizer: a name of `trivium.data.text.NORMALISERS`."""
    start: str | None = None
    """A run of `fused`, or a checkpoint: its tokenizer, and the weights that `start_with` names."""
    start_with: tuple[Side, ...] = ("text", "audio")
    """Encoders whose weights are taken from `start`; none takes the tokenizer alone."""
    hidden_tokens: float = Field(default=0.15, gt=0, le=1)
    """How likely a token is hidden: 8 of 10 behind the mask's, 1 behind another, 1 not at all."""
    hidden_frames: AcousticSettings = AcousticSettings()
    """Which frames are hidden."""
    modality: Modality = "both"
    """What is read. Without text, audio attends to an empty one; without audio there is no
    encoder of it."""
    fusion: Fusion = "orthogonal"
    """How the head joins the streams; `none` looks at audio alone where it is read, else at
    text."""
    task: Task | None = None
    """What the head answers: a class, a number, or who speaks. null has no head."""
    labels: tuple[str, ...] = ()
    """Of `classify` the classes, of `voices` the speakers of training."""
    label_column: str = "label"
    """Column of the classes."""
    margin: float = Field(default=0.2, ge=0)
    """Of `voices`: how much nearer the right speaker must be."""
    scale: float = Field(default=30.0, gt=0)
    """Of `voices`: what cosines are multiplied by."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads")
        if self.modality != "both" and self.fusion != "none":
            raise ValueError(
                f"fusion {self.fusion!r} has nothing to join where modality is "
                f"{self.modality!r}; set it to 'none'"
            )
        if self.labels and self.task not in ("classify", "voices"):
            raise ValueError(
                f"labels are {', '.join(self.labels)}, and task {self.task!r} has none; leave "
                "them out"
            )
        if len(self.labels) == 1 or len(set(self.labels)) < len(self.labels):
            twice = sorted({name for name in self.labels if self.labels.count(name) > 1})
            raise ValueError(
                f"the labels {', '.join(twice or self.labels)} tell nothing apart; name two or "
                "more, each once"
            )
        if self.train_speech and self.speech is None:
            raise ValueError(f"train_speech is {self.train_speech}, and speech names no network")
        if self.modality == "text" and (self.audio.causal or self.speech is not None):
            raise ValueError(
                f"causal is {self.audio.causal} and speech is {self.speech}; modality 'text' hears "
                "nothing, so leave both out"
            )
        if (self.modality, self.fusion) == ("both", "none") and not self.audio.cross_attention:
            raise ValueError(
                f"cross_attention is {self.audio.cross_attention} and fusion {self.fusion!r}: the "
                "text would be read for nothing; switch one of them on"
            )
        normaliser(self.normaliser)
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """What an answer is made of."""
        return {"text": ("text",), "audio": ("speech",), "both": ("speech", "text")}[self.modality]

    @property
    def column(self) -> str | None:
        """Column of what the head is to answer."""
        columns = {"classify": self.label_column, "regress": "score", "voices": "speaker"}
        return None if self.task is None else columns[self.task]

    @classmethod
    def tiny(cls) -> Self:
        """Sizes for tests."""
        return cls(
            width=48, heads=4, feedforward=96, dropout=0.0,
            text=TextSettings(layers=1, vocabulary=320, positions=64),
            audio=AudioSettings(layers=2, positions=600, bins=32, hop=400, window=800, fft=1024),
            hidden_frames=AcousticSettings(spans=(4, 10)),
        )  # fmt: skip
