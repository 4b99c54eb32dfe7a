"""Japanese: (written|reading) pairs, from which the reader's text and the voice's kana both come.

espeak-ng reads a kanji as English words, は as "ha" and おう as two vowels, so a reading is spelled
as it sounds (わ, お, とーきょー). A space ends a phrase, because the voice stresses phrases; the
reader's text has none.
"""

import re

from trivium.data.world.content import Feeling, Intent, Kind, Line, Request, Scene, Things, Topic

# The noun and what counts it.
_NOUNS: dict[Kind, tuple[str, str]] = {
    "star": ("(星|ほし)", "つ"),
    "heart": ("ハート", "つ"),
    "moon": ("(月|つき)", "つ"),
    "cloud": ("(雲|くも)", "つ"),
    "tree": ("(木|き)", "本"),
    "flower": ("(花|はな)", "輪"),
    "leaf": ("(葉|は)っぱ", "枚"),
    "mushroom": ("きのこ", "本"),
    "apple": ("りんご", "個"),
    "carrot": ("にんじん", "本"),
    "fish": ("(魚|さかな)", "匹"),
    "bird": ("(鳥|とり)", "羽"),
    "cat": ("(猫|ねこ)", "匹"),
    "butterfly": ("(蝶|ちょー)", "匹"),
    "house": ("(家|いえ)", "軒"),
    "boat": ("(船|ふね)", "隻"),
    "car": ("(車|くるま)", "台"),
    "ball": ("ボール", "個"),
    "cup": ("カップ", "個"),
    "key": ("(鍵|かぎ)", "本"),
    "bell": ("ベル", "個"),
    "hat": ("(帽子|ぼーし)", "つ"),
    "umbrella": ("(傘|かさ)", "本"),
    "book": ("(本|ほん)", "冊"),
}

# One to four.
_COUNTERS = {
    "つ": ("(一|ひと)つ", "(二|ふた)つ", "(三|みっ)つ", "(四|よっ)つ"),
    "個": ("(一個|いっこ)", "(二個|にこ)", "(三個|さんこ)", "(四個|よんこ)"),
    "匹": ("(一匹|いっぴき)", "(二匹|にひき)", "(三匹|さんびき)", "(四匹|よんひき)"),
    "羽": ("(一羽|いちわ)", "(二羽|にわ)", "(三羽|さんわ)", "(四羽|よんわ)"),
    "本": ("(一本|いっぽん)", "(二本|にほん)", "(三本|さんぼん)", "(四本|よんほん)"),
    "輪": ("(一輪|いちりん)", "(二輪|にりん)", "(三輪|さんりん)", "(四輪|よんりん)"),
    "枚": ("(一枚|いちまい)", "(二枚|にまい)", "(三枚|さんまい)", "(四枚|よんまい)"),
    "軒": ("(一軒|いっけん)", "(二軒|にけん)", "(三軒|さんげん)", "(四軒|よんけん)"),
    "隻": ("(一隻|いっせき)", "(二隻|にせき)", "(三隻|さんせき)", "(四隻|よんせき)"),
    "台": ("(一台|いちだい)", "(二台|にだい)", "(三台|さんだい)", "(四台|よんだい)"),
    "冊": ("(一冊|いっさつ)", "(二冊|にさつ)", "(三冊|さんさつ)", "(四冊|よんさつ)"),
}
_ANIMAL_COUNTERS = ("匹", "羽")  # what they count いる, all else ある

_SIZES = {"small": "(小|ちい)さな ", "medium": "", "large": "(大|おお)きな "}

_COLOURS = {
    "red": "(赤|あか)い",
    "orange": "オレンジ(色|いろ)の",
    "yellow": "(黄色|きいろ)い",
    "green": "(緑|みどり)の",
    "blue": "(青|あお)い",
    "purple": "(紫|むらさき)の",
    "pink": "ピンクの",
    "brown": "(茶色|ちゃいろ)い",
    "black": "(黒|くろ)い",
    "white": "(白|しろ)い",
}

_RELATIONS = {
    "left": "(左|ひだり)",
    "right": "(右|みぎ)",
    "above": "(上|うえ)",
    "below": "(下|した)",
}

_TWO_GROUPS = (
    "{landmark}に、 {things}が {count} {be}ます。",
    "{things}が {count}、 {landmark}に {be}ます。",
    "{landmark}に {be_plain} {count}の {things}。",
)
_ONE_GROUP = (
    "{things}が {count} {be}ます。",
    "{things}が {count} (見|み)えます。",
    "{count}の {things}。",
)


_MANNERS = ("{request}。", "{request} ください。", "{request} もらえますか？")

_REQUESTS: dict[Intent, str] = {
    "alarm": "{day}の {hour}に アラーム(を|お) セットして",
    "timer": "{minutes}の タイマー(を|お) セットして",
    "weather": "{day}の {place}の (天気|てんき)(を|お) (教|おし)えて",
    "music": "{pace} {style}(を|お) かけて",
    "light": "{room}の (電気|でんき)(を|お) {state}",
    "call": "{person}に (電話|でんわ)(を|お) かけて",
    "message": "{person}に、 {news}と メッセージ(を|お) (送|おく)って",
    "volume": "(音量|おんりょー)(を|お) {steps} {direction}",
    "route": "{place}まで {means} (行|い)く ルート(を|お) (教|おし)えて",
    "shopping": "{item}(を|お) (買|か)い(物|もの)リスト{action}",
}

_SLOTS: dict[str, dict[str, str]] = {
    "hour": {
        "5": "(五時|ごじ)", "6": "(六時|ろくじ)", "7": "(七時|しちじ)",
        "8": "(八時|はちじ)", "9": "(九時|くじ)", "10": "(十時|じゅうじ)",
    },
    "day": {"today": "(今日|きょー)", "tomorrow": "(明日|あした)", "monday": "(月曜日|げつよーび)"},
    "minutes": {
        "2": "(二分|にふん)", "3": "(三分|さんぷん)",
        "5": "(五分|ごふん)", "10": "(十分|じゅっぷん)",
        "15": "(十五分|じゅうごふん)", "20": "(二十分|にじゅっぷん)",
        "30": "(三十分|さんじゅっぷん)", "45": "(四十五分|よんじゅうごふん)",
    },
    "place": {
        "tokyo": "(東京|とーきょー)", "delhi": "デリー", "berlin": "ベルリン",
        "madrid": "マドリード", "nairobi": "ナイロビ", "london": "ロンドン",
        "station": "(駅|えき)", "airport": "(空港|くうこー)", "school": "(学校|がっこー)",
        "hospital": "(病院|びょーいん)", "market": "(市場|いちば)",
        "library": "(図書館|としょかん)",
    },
    "style": {
        "jazz": "ジャズ", "rock": "ロック",
        "classical": "クラシック", "dance": "ダンスミュージック",
    },
    "pace": {"slow": "スローテンポの", "fast": "アップテンポの"},
    "room": {
        "kitchen": "(台所|だいどころ)", "bedroom": "(寝室|しんしつ)", "garden": "(庭|にわ)",
        "office": "オフィス", "bathroom": "(浴室|よくしつ)",
    },
    "state": {"on": "つけて", "off": "(消|け)して"},
    "person": {
        "mother": "(母|はは)", "father": "(父|ちち)", "sister": "(姉|あね)",
        "brother": "(兄|あに)", "doctor": "お(医者|いしゃ)さん", "teacher": "(先生|せんせー)",
    },
    "news": {
        "late": "(遅|おく)れる", "home": "(家|いえ)に いる",
        "busy": "(忙|いそが)しい", "ready": "(準備|じゅんび)が できた",
    },
    "direction": {"up": "(上|あ)げて", "down": "(下|さ)げて"},
    "steps": {
        "1": "(一段階|いちだんかい)", "2": "(二段階|にだんかい)", "3": "(三段階|さんだんかい)",
        "4": "(四段階|よんだんかい)", "5": "(五段階|ごだんかい)",
    },
    "means": {"foot": "(歩|ある)いて", "bus": "バスで", "car": "(車|くるま)で"},
    "item": {
        "milk": "(牛乳|ぎゅうにゅう)", "bread": "パン", "rice": "お(米|こめ)",
        "tea": "お(茶|ちゃ)", "apples": "りんご", "eggs": "(卵|たまご)",
    },
    "action": {"add": "に (追加|ついか)して", "remove": "から (削除|さくじょ)して"},
}  # fmt: skip


_TOPICS: dict[Topic, str] = {
    "film": "(映画|えーが)",
    "book": "(本|ほん)",
    "song": "(歌|うた)",
    "meal": "(食事|しょくじ)",
    "trip": "(旅行|りょこー)",
    "room": "(部屋|へや)",
    "game": "ゲーム",
    "weather": "(天気|てんき)",
}

_FEELINGS: dict[int, tuple[str, str, str, str]] = {
    3: (
        "この {topic}(は|わ) (本当|ほんとー)に (素晴|すば)らしいです。",
        "この {topic}(は|わ) (最高|さいこー)です。",
        "この {topic}が (大好|だいす)きです。",
        "こんなに (素晴|すば)らしい {topic}(は|わ) ほかに ありません。",
    ),
    2: (
        "この {topic}(は|わ) とても いいです。",
        "この {topic}(は|わ) (本当|ほんとー)に いいです。",
        "この {topic}が とても (気|き)に (入|い)って います。",
        "とても いい {topic}です。",
    ),
    1: (
        "この {topic}(は|わ) なかなか いいです。",
        "この {topic}(は|わ) (悪|わる)く ありません。",
        "この {topic}(は|わ) わりと (好|す)きです。",
        "この {topic}(は|わ) まあまあ いいです。",
    ),
    0: (
        "(次|つぎ)の (質問|しつもん)(は|わ) この {topic}に ついてです。",
        "この (情報|じょーほー)(は|わ) この {topic}に ついての ものです。",
        "(今|いま)、 この {topic}の (話|はなし)(を|お) して います。",
        "(昨日|きのー)、 (誰|だれ)かが この {topic}に ついて (質問|しつもん)しました。",
    ),
    -1: (
        "この {topic}(は|わ) あまり よく ありません。",
        "この {topic}(は|わ) (今|いま)ひとつです。",
        "この {topic}(は|わ) あまり (好|す)きで(は|わ) ありません。",
        "この {topic}(は|わ) (少|すこ)し (期待外|きたいはず)れです。",
    ),
    -2: (
        "この {topic}(は|わ) だめです。",
        "この {topic}(は|わ) よく ありません。",
        "この {topic}(は|わ) (好|す)きで(は|わ) ありません。",
        "この {topic}(は|わ) かなり ひどいです。",
    ),
    -3: (
        "この {topic}(は|わ) (本当|ほんとー)に ひどいです。",
        "この {topic}(は|わ) (最悪|さいあく)です。",
        "この {topic}(は|わ) (全|まった)く (好|す)きで(は|わ) ありません。",
        "こんなに ひどい {topic}(は|わ) ほかに ありません。",
    ),
}

_PAIR = re.compile(r"\(([^|]+)\|([^)]+)\)")


def caption(scene: Scene, style: int) -> Line:
    """Say what is seen; style is taken modulo 3: there is ..., ... is, and the bare phrase."""
    first = scene.first
    animal = _NOUNS[first.kind][1] in _ANIMAL_COUNTERS
    words = {
        "things": _things(first),
        "count": _count(first),
        "be": "い" if animal else "あり",
        "be_plain": "いる" if animal else "ある",
    }
    if scene.second is None or scene.relation is None:
        return _line(_ONE_GROUP[style % 3].format(**words))
    second = f"{_count(scene.second)}の {_things(scene.second)}"
    landmark = f"{second}の {_RELATIONS[scene.relation]}"
    return _line(_TWO_GROUPS[style % 3].format(landmark=landmark, **words))


def request(request: Request, style: int) -> Line:
    """Ask; style is taken modulo 3: do ..., please do ..., can you do ...?"""
    words = {slot: _SLOTS[slot][value] for slot, value in request.slots}
    asked = _REQUESTS[request.intent].format(**words)
    return _line(_MANNERS[style % 3].format(request=asked))


def feeling(feeling: Feeling) -> Line:
    """Judge the topic as kindly as the sentiment says; there are four wordings."""
    frame = _FEELINGS[feeling.sentiment][feeling.wording % 4]
    return _line(frame.format(topic=_TOPICS[feeling.topic]))


def _line(pairs: str) -> Line:
    return Line(text=_PAIR.sub(r"\1", pairs).replace(" ", ""), spoken=_PAIR.sub(r"\2", pairs))


def _things(things: Things) -> str:
    return f"{_SIZES[things.size]}{_COLOURS[things.colour]} {_NOUNS[things.kind][0]}"


def _count(things: Things) -> str:
    return _COUNTERS[_NOUNS[things.kind][1]][things.count - 1]
