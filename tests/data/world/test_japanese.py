"""Japanese sentences for the reader and for the voice, written from the language's rules."""

import itertools
import re
from typing import get_args

import pytest

from trivium.data.world import content
from trivium.data.world.content import SLOTS, Feeling, Request, Scene, Things
from trivium.data.world.grammar import japanese

# Scene, style, for the reader, for the voice.
CAPTIONS = [
    ("1 large red star", 0, "大きな赤い星が一つあります。",
     "おおきな あかい ほしが ひとつ あります。"),
    ("4 medium yellow moon", 2, "四つの黄色い月。", "よっつの きいろい つき。"),
    ("3 small pink hat", 1, "小さなピンクの帽子が三つ見えます。",
     "ちいさな ピンクの ぼーしが みっつ みえます。"),
    # What lives いる, what does not ある: the subject decides, not the landmark.
    ("1 medium black cat above 1 medium white car", 0,
     "一台の白い車の上に、黒い猫が一匹います。",
     "いちだいの しろい くるまの うえに、 くろい ねこが いっぴき います。"),
    ("1 medium white car above 1 medium black cat", 0,
     "一匹の黒い猫の上に、白い車が一台あります。",
     "いっぴきの くろい ねこの うえに、 しろい くるまが いちだい あります。"),
    ("2 small blue butterfly left 3 large green tree", 1,
     "小さな青い蝶が二匹、三本の大きな緑の木の左にいます。",
     "ちいさな あおい ちょーが にひき、 さんぼんの おおきな みどりの きの ひだりに います。"),
    ("1 large purple umbrella right 4 medium brown fish", 2,
     "四匹の茶色い魚の右にある一本の大きな紫の傘。",
     "よんひきの ちゃいろい さかなの みぎに ある いっぽんの おおきな むらさきの かさ。"),
    ("4 medium brown fish below 1 large purple umbrella", 2,
     "一本の大きな紫の傘の下にいる四匹の茶色い魚。",
     "いっぽんの おおきな むらさきの かさの したに いる よんひきの ちゃいろい さかな。"),
    ("2 medium orange heart below 3 medium red house", 0,
     "三軒の赤い家の下に、オレンジ色のハートが二つあります。",
     "さんげんの あかい いえの したに、 オレンジいろの ハートが ふたつ あります。"),
]  # fmt: skip

# Each counter with its changes of sound.
COUNTS = [
    ("1 medium red fish", "一匹の赤い魚。", "いっぴきの あかい さかな。"),
    ("3 medium red fish", "三匹の赤い魚。", "さんびきの あかい さかな。"),
    ("1 medium red bird", "一羽の赤い鳥。", "いちわの あかい とり。"),
    ("1 medium red tree", "一本の赤い木。", "いっぽんの あかい き。"),
    ("2 medium red key", "二本の赤い鍵。", "にほんの あかい かぎ。"),
    ("3 medium red carrot", "三本の赤いにんじん。", "さんぼんの あかい にんじん。"),
    ("1 medium red book", "一冊の赤い本。", "いっさつの あかい ほん。"),
    ("1 medium red boat", "一隻の赤い船。", "いっせきの あかい ふね。"),
    ("1 medium red house", "一軒の赤い家。", "いっけんの あかい いえ。"),
    ("4 medium red car", "四台の赤い車。", "よんだいの あかい くるま。"),
    ("1 medium red apple", "一個の赤いりんご。", "いっこの あかい りんご。"),
    ("3 medium red flower", "三輪の赤い花。", "さんりんの あかい はな。"),
    ("2 medium red leaf", "二枚の赤い葉っぱ。", "にまいの あかい はっぱ。"),
    ("3 medium red mushroom", "三本の赤いきのこ。", "さんぼんの あかい きのこ。"),
    ("2 medium red cloud", "二つの赤い雲。", "ふたつの あかい くも。"),
]

REQUESTS = [
    ("alarm", ("7", "today"), 0, "今日の七時にアラームをセットして。",
     "きょーの しちじに アラームお セットして。"),
    ("alarm", ("9", "monday"), 1, "月曜日の九時にアラームをセットしてください。",
     "げつよーびの くじに アラームお セットして ください。"),
    ("timer", ("3",), 2, "三分のタイマーをセットしてもらえますか？",
     "さんぷんの タイマーお セットして もらえますか？"),
    ("timer", ("30",), 0, "三十分のタイマーをセットして。",
     "さんじゅっぷんの タイマーお セットして。"),
    ("timer", ("45",), 0, "四十五分のタイマーをセットして。",
     "よんじゅうごふんの タイマーお セットして。"),
    ("weather", ("tokyo", "tomorrow"), 1, "明日の東京の天気を教えてください。",
     "あしたの とーきょーの てんきお おしえて ください。"),
    ("music", ("jazz", "slow"), 0, "スローテンポのジャズをかけて。",
     "スローテンポの ジャズお かけて。"),
    ("light", ("bedroom", "off"), 1, "寝室の電気を消してください。",
     "しんしつの でんきお けして ください。"),
    ("call", ("teacher",), 2, "先生に電話をかけてもらえますか？",
     "せんせーに でんわお かけて もらえますか？"),
    ("message", ("mother", "late"), 0, "母に、遅れるとメッセージを送って。",
     "ははに、 おくれると メッセージお おくって。"),
    ("volume", ("up", "2"), 0, "音量を二段階上げて。", "おんりょーお にだんかい あげて。"),
    ("route", ("station", "foot"), 1, "駅まで歩いて行くルートを教えてください。",
     "えきまで あるいて いく ルートお おしえて ください。"),
    ("shopping", ("milk", "remove"), 0, "牛乳を買い物リストから削除して。",
     "ぎゅうにゅうお かいものリストから さくじょして。"),
]  # fmt: skip

FEELINGS = [
    ("film", 3, 0, "この映画は本当に素晴らしいです。", "この えーがわ ほんとーに すばらしいです。"),
    ("room", 2, 2, "この部屋がとても気に入っています。", "この へやが とても きに いって います。"),
    ("song", 1, 1, "この歌は悪くありません。", "この うたわ わるく ありません。"),
    ("book", 0, 2, "今、この本の話をしています。", "いま、 この ほんの はなしお して います。"),
    ("trip", -1, 3, "この旅行は少し期待外れです。", "この りょこーわ すこし きたいはずれです。"),
    ("meal", -2, 2, "この食事は好きではありません。", "この しょくじわ すきでわ ありません。"),
    ("weather", -3, 1, "この天気は最悪です。", "この てんきわ さいあくです。"),
]


def things(count, size, colour, kind):
    return Things(kind, colour, size, int(count))


def scene(said):
    words = said.split()
    second = things(*words[5:]) if words[5:] else None
    return Scene(things(*words[:4]), second, words[4] if second else None, "dusk")


def every_word_lines():
    """Lines that use each word, counter and frame of the language at least once."""
    kinds, colours = get_args(content.Kind), get_args(content.Colour)
    for kind, count, colour in itertools.product(kinds, range(1, 5), colours):
        yield japanese.caption(Scene(Things(kind, colour, "large", count), None, None, "sky"), 2)
    fish = Things("fish", "red", "medium", 2)
    relations, sizes = get_args(content.Relation), get_args(content.Size)
    for style, relation, size in itertools.product(range(3), relations, sizes):
        yield japanese.caption(Scene(Things("cup", "red", size, 1), fish, relation, "sky"), style)
        yield japanese.caption(Scene(fish, None, None, "sky"), style)
    for intent, slots in SLOTS.items():
        for values in itertools.product(*slots.values()):
            for style in range(3):
                yield japanese.request(
                    Request(intent, tuple(zip(slots, values, strict=True))), style
                )
    topics = get_args(content.Topic)
    for topic, sentiment, wording in itertools.product(topics, range(-3, 4), range(4)):
        yield japanese.feeling(Feeling("sad", sentiment, topic, wording))


@pytest.mark.parametrize(("said", "style", "text", "spoken"), CAPTIONS)
def test_a_caption_takes_the_verb_and_counters_of_its_things(said, style, text, spoken):
    line = japanese.caption(scene(said), style)
    assert (line.text, line.spoken) == (text, spoken)


@pytest.mark.parametrize(("said", "text", "spoken"), COUNTS)
def test_each_kind_has_its_counter_with_the_right_sound(said, text, spoken):
    line = japanese.caption(scene(said), 2)
    assert (line.text, line.spoken) == (text, spoken)


@pytest.mark.parametrize(("intent", "values", "style", "text", "spoken"), REQUESTS)
def test_a_request_reads_and_sounds_as_expected(intent, values, style, text, spoken):
    asked = Request(intent, tuple(zip(SLOTS[intent], values, strict=True)))
    line = japanese.request(asked, style)
    assert (line.text, line.spoken) == (text, spoken)


@pytest.mark.parametrize(("topic", "sentiment", "wording", "text", "spoken"), FEELINGS)
def test_a_feeling_reads_and_sounds_as_expected(topic, sentiment, wording, text, spoken):
    line = japanese.feeling(Feeling("happy", sentiment, topic, wording))
    assert (line.text, line.spoken) == (text, spoken)


def test_the_voice_gets_only_kana_and_the_reader_no_spaces():
    for line in every_word_lines():
        assert re.fullmatch(r"[ぁ-ゖァ-ヺー、。？ ]+", line.spoken), line
        assert re.fullmatch(r"[一-鿿ぁ-ゖァ-ヺー、。？]+", line.text), line


def test_the_voice_never_meets_a_particle_in_its_written_form():
    # は and へ inside a word (はな, へや) are sounded as written; at a phrase's end they never are.
    for line in every_word_lines():
        assert "を" not in line.spoken
        phrases = re.split(r"[、。？ ]+", line.spoken)
        assert not [phrase for phrase in phrases if re.search(r"(.[はへ]|では)$", phrase)], line


def test_text_without_its_kanji_is_found_in_order_in_what_is_spoken():
    # What is written in kana is said as it is written, save the particles は (わ) and を (お).
    for line in every_word_lines():
        kana = re.split(r"[一-鿿]+", line.text)
        sounded = (re.escape(part).replace("は", "[はわ]").replace("を", "お") for part in kana)
        assert re.fullmatch(".+".join(sounded), line.spoken.replace(" ", "")), line
