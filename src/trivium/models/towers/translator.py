"""Text encoder-decoders: mBART-50, M2M-100 and NLLB, with their tokens and languages.

All three are given `[language] text </s>`, and write the same behind their start token.
"""

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.towers.networks import Place, TowerSettings
from trivium.models.towers.text import END, START, TOKENIZER, read_tokenizer, words
from trivium.models.towers.tower import Tower
from trivium.models.towers.weights import Built, build
from trivium.objectives.distill import Head

Numbers = NDArray[np.int64]
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # the numbers that configurations begin with
MASK = "<mask>"
# Codes of languages in the three vocabularies: en_XX of mBART, eng_Latn of NLLB, __en__ of M2M-100.
CODE = re.compile(r"[a-z]{2,3}_[A-Z]{2}|[a-z]{3}_[A-Z][a-z]{3}|__[a-z]{2,3}__")
# ISO 639-1, as corpora name languages, and what NLLB calls them.
NLLB: dict[str, str] = dict(
    re.findall(
        r"(\w+)=(\w+)",
        """
    af=afr_Latn am=amh_Ethi ar=arb_Arab as=asm_Beng az=azj_Latn be=bel_Cyrl bg=bul_Cyrl bn=ben_Beng
    bo=bod_Tibt bs=bos_Latn ca=cat_Latn cs=ces_Latn cy=cym_Latn da=dan_Latn de=deu_Latn el=ell_Grek
    en=eng_Latn eo=epo_Latn es=spa_Latn et=est_Latn eu=eus_Latn fa=pes_Arab fi=fin_Latn fr=fra_Latn
    ga=gle_Latn gl=glg_Latn gu=guj_Gujr ha=hau_Latn he=heb_Hebr hi=hin_Deva hr=hrv_Latn ht=hat_Latn
    hu=hun_Latn hy=hye_Armn id=ind_Latn ig=ibo_Latn is=isl_Latn it=ita_Latn ja=jpn_Jpan jv=jav_Latn
    ka=kat_Geor kk=kaz_Cyrl km=khm_Khmr kn=kan_Knda ko=kor_Hang ky=kir_Cyrl lb=ltz_Latn lg=lug_Latn
    ln=lin_Latn lo=lao_Laoo lt=lit_Latn lv=lvs_Latn mg=plt_Latn mi=mri_Latn mk=mkd_Cyrl ml=mal_Mlym
    mn=khk_Cyrl mr=mar_Deva ms=zsm_Latn mt=mlt_Latn my=mya_Mymr nb=nob_Latn ne=npi_Deva nl=nld_Latn
    nn=nno_Latn no=nob_Latn ny=nya_Latn oc=oci_Latn om=gaz_Latn or=ory_Orya pa=pan_Guru pl=pol_Latn
    ps=pbt_Arab pt=por_Latn ro=ron_Latn ru=rus_Cyrl sa=san_Deva sd=snd_Arab si=sin_Sinh sk=slk_Latn
    sl=slv_Latn sm=smo_Latn sn=sna_Latn so=som_Latn sq=als_Latn sr=srp_Cyrl st=sot_Latn su=sun_Latn
    sv=swe_Latn sw=swh_Latn ta=tam_Taml te=tel_Telu tg=tgk_Cyrl th=tha_Thai ti=tir_Ethi tk=tuk_Latn
    tl=tgl_Latn tr=tur_Latn tt=tat_Cyrl ug=uig_Arab uk=ukr_Cyrl ur=urd_Arab uz=uzn_Latn vi=vie_Latn
    wo=wol_Latn xh=xho_Latn yi=ydd_Hebr yo=yor_Latn yue=yue_Hant zh=zho_Hans zu=zul_Latn
    """,
    )
)


@dataclass(frozen=True, eq=False)
class Read:
    """What the encoder makes of a batch."""

    last: Ragged  # (B, T, D)
    states: tuple[Tensor, ...] = ()
    """Each (B, T, D), from what enters the first layer to `last`, where they were asked for."""


class Translator(Tower):
    """A published text encoder-decoder; rows are read and written the same in every batch."""

    def __init__(
        self, built: Built, tokenizer: Tokenizer | None = None, languages: Sequence[str] = ()
    ) -> None:
        super().__init__(built, Place("model.encoder.layers"))
        if tokenizer is None:  # a network without weights reads bytes
            tokenizer = Tokenizer(models.BPE())
            languages = tuple(dict.fromkeys((*languages, *NLLB)))
        if tokenizer.token_to_id("<pad>") is None:
            tokenizer = _renumbered(tokenizer)
        self.tokenizer = tokenizer
        self._learn_languages(languages)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # a text that says "</s>" has no end there
        config = self.network.config
        self.width: int = config.d_model
        self.max_tokens: int = config.max_position_embeddings
        """Positions that there are, for tokens and frames alike."""
        self.start = _first(config.decoder_start_token_id, config.eos_token_id)
        self.end: int = config.eos_token_id
        self.mask = _first(tokenizer.token_to_id(MASK), tokenizer.token_to_id("<unk>"))

    @classmethod
    def from_settings(
        cls,
        settings: TowerSettings,
        tokenizer: Tokenizer | None = None,
        languages: Sequence[str] = (),
    ) -> Self:
        """The tower that settings describe, in evaluation mode.

        A folder's own tokenizer is used if none is given. Languages that it lacks are added.
        """
        built = build(settings, "translator")
        if tokenizer is None and built.folder is not None:
            if not (built.folder / TOKENIZER).exists():
                raise SettingsError(
                    f'{built.folder} holds no {TOKENIZER}; make one with `python -c "from '
                    "transformers import AutoTokenizer as T; "
                    "T.from_pretrained('REPOSITORY').save_pretrained('FOLDER')\"`, beside the "
                    "weights"
                )
            tokenizer = read_tokenizer(built.folder)
        return cls(built, tokenizer, languages).eval()

    @property
    def layers(self) -> nn.ModuleList:
        """Those of the encoder, then those of the decoder."""
        body = self.network.model
        return nn.ModuleList([*body.encoder.layers, *body.decoder.layers])

    @cached_property
    def languages(self) -> dict[str, int]:
        """The numbers of languages, by all names that they have."""
        added = self.tokenizer.get_added_tokens_decoder().items()
        codes = {token.content: number for number, token in added if CODE.fullmatch(token.content)}
        short = {code.strip("_").partition("_")[0]: number for code, number in codes.items()}
        known = {name: codes[code] for name, code in NLLB.items() if code in codes}
        return {**short, **known, **codes}

    def language(self, code: str | None) -> int:
        """The number of a language's token, by its own code or that of a corpus."""
        named = str(code)
        for name in (named, _short(named)):
            if name in self.languages:
                return self.languages[name]
        short = sorted(name for name in self.languages if not CODE.fullmatch(name))
        near = difflib.get_close_matches(named, short, n=5, cutoff=0.4)
        told = f"near ones are {', '.join(near)}" if near else f"known are {', '.join(short)}"
        raise TriviumError(f"the text network was not told of the language {code!r}; {told}")

    def tokens(self, texts: Sequence[str], languages: Sequence[str | None]) -> list[Numbers]:
        """Numbers of texts, each between its language and the end."""
        encoded = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [
            np.array([self.language(language), *row.ids, self.end], np.int64)
            for row, language in zip(encoded, languages, strict=True)
        ]

    def text(self, numbers: Sequence[int]) -> str:
        """What tokens say, without languages and other marks."""
        return str(self.tokenizer.decode(list(numbers), skip_special_tokens=True)).strip()

    def embed(self, numbers: Tensor) -> Tensor:
        """Tokens (...) as the encoder is given them (..., D), before their positions."""
        embedded: Tensor = self.network.model.encoder.embed_tokens(numbers)
        return embedded

    def read(self, embedded: Ragged, *, states: bool = False) -> Read:
        """The encoder on vectors of tokens, or on others of their width."""
        made = self.network.model.encoder(
            inputs_embeds=embedded.data,
            attention_mask=embedded.mask()[:, None, None],  # made for all heads and places already
            output_hidden_states=states,
        )
        last = Ragged(made.last_hidden_state, embedded.lengths)
        return Read(last, tuple(made.hidden_states or ()))

    def write(self, numbers: Tensor, read: Ragged) -> Tensor:
        """States (B, L, D) of the decoder, at each of which the next of `numbers` (B, L) is told.

        At the first it is only told the start token, at the second a language too.
        """
        begun = F.pad(numbers[:, :-1], (1, 0), value=self.start)
        length = begun.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=begun.device).tril()
        made = self.network.model.decoder(
            input_ids=begun,
            attention_mask=causal[None, None],
            encoder_hidden_states=read.data,
            encoder_attention_mask=read.mask()[:, None, None],
            use_cache=False,
        )
        states: Tensor = made.last_hidden_state
        return states

    @property
    def head(self) -> Head:
        """What makes scores of all tokens of the decoder's states."""
        bias = getattr(self.network, "final_logits_bias", None)
        return Head(self.network.lm_head.weight, None if bias is None else bias[0])

    def _learn_languages(self, languages: Sequence[str]) -> None:
        """Give languages that the vocabulary lacks a token, which begins as the mean of the others.

        The network's vocabulary grows where it is smaller than the tokenizer's.
        """
        style = "{}_XX" if self.family == "mbart" else "__{}__"
        known = sorted(set(self.languages.values()))
        new = [_short(code) for code in languages if not {code, _short(code)} & {*self.languages}]
        self.tokenizer.add_special_tokens(
            [AddedToken(style.format(code), special=True) for code in new]
        )
        del self.languages  # it was of the vocabulary as it stood
        size, before = self.tokenizer.get_vocab_size(), self.network.config.vocab_size
        if size <= before:
            return
        self.network.resize_token_embeddings(size, mean_resizing=False)
        if known:
            with torch.no_grad():
                rows = self.network.get_input_embeddings().weight
                rows[before:] = rows[known].mean(0)
        # The weights are no longer those of its source: a checkpoint has to hold them.
        self.origin = None
        sizes = {**self.described.sizes, "vocab_size": size}
        self.described = self.described.model_copy(update={"sizes": sizes})


def _short(code: str) -> str:
    """`zh` of `zh-CN` and of `zh_TW`."""
    return code.replace("_", "-").lower().partition("-")[0]


def _renumbered(tokenizer: Tokenizer) -> Tokenizer:
    """The pieces of a byte-level tokenizer behind the marks of a translator; case is kept."""
    made = json.loads(tokenizer.to_str())["model"]
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [piece for piece in made["vocab"] if piece not in (START, END)]
    order = dict.fromkeys((*SPECIAL, *bytes_, *pieces, MASK))
    merges = [tuple(pair) for pair in made["merges"]]
    vocabulary = {piece: number for number, piece in enumerate(order)}
    renumbered: Any = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    renumbered.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Prepend(" ")])
    renumbered.pre_tokenizer = words()
    renumbered.decoder = decoders.ByteLevel()
    renumbered.add_special_tokens([AddedToken(mark, special=True) for mark in (*SPECIAL, MASK)])
    found: Tokenizer = renumbered
    return found


def _first(*found: int | None) -> int:
    return next(number for number in found if number is not None)
