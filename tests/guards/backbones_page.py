"""The page docs/backbones.md, from the table of networks: `make docs` writes it."""

from trivium.recipes.backbones import table

HEAD = """# Backbones

Made by `make docs` from `trivium recipes --towers`; a test compares the two. Each of these networks
is known by its name: `--set 'settings.speech={"network": "hubert-base"}'`. Its weights are read
from the hub in its own format, or from a folder of the same files (`"source": "path/to/folder"`),
and `--random-weights` builds it without any, to test shapes or measure speed. Another repository or
folder of the same families works too. Millions of parameters are those that its authors print, of
the whole network: Whisper with its decoder, CLIP with both towers. Where a sentence, a sound or a
picture becomes one vector, CLIP and SigLIP pool as they were published; frames and tokens are
pooled by the system that uses the tower, which its page says.

Whatever is trained from weights that are not for commercial use is not either: `trivium train` says
so, and the model card too.

"""


def page() -> str:
    """The whole page."""
    headers, rows = table()
    lines = [headers, ["---"] * len(headers), *rows]
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(page(), end="")
