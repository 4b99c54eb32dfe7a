"""Small published models with random weights, as their makers' are laid out on a disk."""

from pathlib import Path

import torch

CHARACTERS = "abcdefghijklmnopqrstuvwxyz "


def whisper(folder: Path, english_only: bool = False) -> Path:
    """A Whisper of bytes that knows English, Hindi and German."""
    import transformers as hub
    from tokenizers.pre_tokenizers import ByteLevel

    bytes_ = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    languages = [] if english_only else ["<|en|>", "<|hi|>", "<|de|>"]
    own = ["<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>",
           "<|transcribe|>", "<|notimestamps|>"]  # fmt: skip
    tokenizer = hub.WhisperTokenizer(vocab=bytes_, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": own})
    number = tokenizer.convert_tokens_to_ids
    sizes = {
        f"{half}_{size}": value
        for half in ("encoder", "decoder")
        for size, value in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))
    }
    end = number("<|endoftext|>")
    torch.manual_seed(33)
    network = hub.WhisperForConditionalGeneration(
        hub.WhisperConfig(
            vocab_size=len(tokenizer), d_model=16, max_target_positions=24, pad_token_id=end,
            bos_token_id=end, eos_token_id=end, init_std=0.5,
            decoder_start_token_id=number("<|startoftranscript|>"), suppress_tokens=None,
            begin_suppress_tokens=None, **sizes,
        )
    )  # fmt: skip
    with torch.no_grad():  # so near to one that some texts have that these end
        weights = network.get_output_embeddings().weight
        weights[end] = 1.2 * weights[190]
    told = network.generation_config
    told.no_timestamps_token_id = number("<|notimestamps|>")
    told.is_multilingual = not english_only
    if languages:
        told.lang_to_id = {token: number(token) for token in languages}
        told.task_to_id = {name: number(f"<|{name}|>") for name in ("translate", "transcribe")}
    return _saved(folder, network, tokenizer, hub.WhisperFeatureExtractor())


def seamless(folder: Path) -> Path:
    """A SeamlessM4T v2 of letters that knows English, Hindi and German."""
    import transformers as hub

    names = ["<pad>", "<unk>", "<s>", "</s>", "\N{LOWER ONE EIGHTH BLOCK}", *CHARACTERS.strip()]
    tokenizer = hub.SeamlessM4TTokenizer(
        vocab={name: number for number, name in enumerate(names)}, merges=[],
        src_lang="eng", tgt_lang="hin",
        additional_special_tokens=["__eng__", "__hin__", "__deu__"],
    )  # fmt: skip
    small = {
        f"{part}_{size}": value
        for part in ("encoder", "decoder", "t2u_encoder", "t2u_decoder", "speech_encoder")
        for size, value in (("layers", 1), ("attention_heads", 2))
    }
    torch.manual_seed(30)
    network = hub.SeamlessM4Tv2Model(
        hub.SeamlessM4Tv2Config(
            vocab_size=len(tokenizer), hidden_size=16, encoder_ffn_dim=32, decoder_ffn_dim=32,
            speech_encoder_intermediate_size=32, t2u_encoder_ffn_dim=32, t2u_decoder_ffn_dim=32,
            t2u_vocab_size=30, char_vocab_size=30, unit_hifi_gan_vocab_size=30, unit_embed_dim=16,
            lang_embed_dim=8, spkr_embed_dim=8, upsample_initial_channel=32, vocoder_num_spkrs=2,
            t2u_variance_predictor_embed_dim=16, t2u_variance_predictor_hidden_dim=16,
            initializer_range=0.5, max_position_embeddings=64, **small,
        )
    )  # fmt: skip
    network.generation_config.text_decoder_lang_to_code_id = {
        code: tokenizer.convert_tokens_to_ids(f"__{code}__") for code in ("eng", "hin", "deu")
    }
    return _saved(folder, network, tokenizer, hub.SeamlessM4TFeatureExtractor())


def _saved(folder: Path, network, tokenizer, features) -> Path:
    from trivium.models.published.network import quiet

    network.generation_config._from_model_config = False  # as its own, it is read back whole
    with quiet():
        for part in (network, tokenizer, features):
            part.save_pretrained(folder)
    return folder
