"""Spanish: colour, then size, follow the noun, and both agree with it in gender and number."""

from trivium.data.world.content import (
    Colour,
    Feeling,
    Kind,
    Line,
    Request,
    Scene,
    Size,
    Things,
    Topic,
)

# Gender, one, several.
_NOUNS: dict[Kind, tuple[str, str, str]] = {
    "star": ("f", "estrella", "estrellas"),
    "heart": ("m", "corazón", "corazones"),
    "moon": ("f", "luna", "lunas"),
    "cloud": ("f", "nube", "nubes"),
    "tree": ("m", "árbol", "árboles"),
    "flower": ("f", "flor", "flores"),
    "leaf": ("f", "hoja", "hojas"),
    "mushroom": ("f", "seta", "setas"),
    "apple": ("f", "manzana", "manzanas"),
    "carrot": ("f", "zanahoria", "zanahorias"),
    "fish": ("m", "pez", "peces"),
    "bird": ("m", "pájaro", "pájaros"),
    "cat": ("m", "gato", "gatos"),
    "butterfly": ("f", "mariposa", "mariposas"),
    "house": ("f", "casa", "casas"),
    "boat": ("m", "barco", "barcos"),
    "car": ("m", "coche", "coches"),
    "ball": ("f", "pelota", "pelotas"),
    "cup": ("f", "taza", "tazas"),
    "key": ("f", "llave", "llaves"),
    "bell": ("f", "campana", "campanas"),
    "hat": ("m", "sombrero", "sombreros"),
    "umbrella": ("m", "paraguas", "paraguas"),
    "book": ("m", "libro", "libros"),
}

_NUMBERS = {2: "dos", 3: "tres", 4: "cuatro"}  # one is the article

# Of one thing, m and f; of several, m and f.
_SIZES: dict[Size, tuple[str, str, str, str]] = {
    "small": ("pequeño", "pequeña", "pequeños", "pequeñas"),
    "medium": ("", "", "", ""),
    "large": ("grande", "grande", "grandes", "grandes"),
}
# Naranja and rosa may stand unbent in the plural too; here they always take the plural.
_COLOURS: dict[Colour, tuple[str, str, str, str]] = {
    "red": ("rojo", "roja", "rojos", "rojas"),
    "orange": ("naranja", "naranja", "naranjas", "naranjas"),
    "yellow": ("amarillo", "amarilla", "amarillos", "amarillas"),
    "green": ("verde", "verde", "verdes", "verdes"),
    "blue": ("azul", "azul", "azules", "azules"),
    "purple": ("morado", "morada", "morados", "moradas"),
    "pink": ("rosa", "rosa", "rosas", "rosas"),
    "brown": ("marrón", "marrón", "marrones", "marrones"),
    "black": ("negro", "negra", "negros", "negras"),
    "white": ("blanco", "blanca", "blancos", "blancas"),
}

_RELATIONS = {
    "left": "a la izquierda de",
    "right": "a la derecha de",
    "above": "encima de",
    "below": "debajo de",
}

_TWO_GROUPS = ("hay {first} {landmark}.", "{first} {be} {landmark}.", "{first} {landmark}.")
_ONE_GROUP = ("hay {first}.", "se {see} {first}.", "{first}.")


_MANNERS = ("{order} {what}.", "por favor, {order} {what}.", "¿Puedes {infinitive} {what}?")

# By intent, or by the value that asks for a verb of its own: order, infinitive, what.
_REQUESTS: dict[str, tuple[str, str, str]] = {
    "alarm": ("pon", "poner", "una alarma para {day} a las {hour}"),
    "timer": ("pon", "poner", "un temporizador de {minutes} minutos"),
    "weather": ("dime", "decirme", "qué tiempo hará {day} en {place}"),
    "music": ("pon", "poner", "música {style} {pace}"),
    "on": ("enciende", "encender", "la luz {room}"),
    "off": ("apaga", "apagar", "la luz {room}"),
    "call": ("llama", "llamar", "a {person}"),
    "message": ("envíale", "enviarle", "un mensaje a {person} para decirle que {news}"),
    "up": ("sube", "subir", "el volumen {steps}"),
    "down": ("baja", "bajar", "el volumen {steps}"),
    "route": ("muéstrame", "mostrarme", "cómo llegar {place} {means}"),
    "add": ("añade", "añadir", "{item} a mi lista de la compra"),
    "remove": ("quita", "quitar", "{item_the} de mi lista de la compra"),
}

# By slot, and where a slot is said in two forms, by slot and form.
_SLOTS: dict[str, dict[str, str]] = {
    "hour": {"5": "cinco", "6": "seis", "7": "siete", "8": "ocho", "9": "nueve", "10": "diez"},
    "day": {"today": "hoy", "tomorrow": "mañana", "monday": "el lunes"},
    "minutes": {
        "2": "dos", "3": "tres", "5": "cinco", "10": "diez", "15": "quince",
        "20": "veinte", "30": "treinta", "45": "cuarenta y cinco",
    },
    "place": {
        "tokyo": "Tokio", "delhi": "Delhi", "berlin": "Berlín",
        "madrid": "Madrid", "nairobi": "Nairobi", "london": "Londres",
        "station": "a la estación", "airport": "al aeropuerto", "school": "al colegio",
        "hospital": "al hospital", "market": "al mercado", "library": "a la biblioteca",
    },
    "style": {"jazz": "de jazz", "rock": "rock", "classical": "clásica", "dance": "de baile"},
    "pace": {"slow": "lenta", "fast": "rápida"},
    "room": {
        "kitchen": "de la cocina", "bedroom": "del dormitorio", "garden": "del jardín",
        "office": "de la oficina", "bathroom": "del baño",
    },
    "person": {
        "mother": "mi madre", "father": "mi padre", "sister": "mi hermana",
        "brother": "mi hermano", "doctor": "mi médico", "teacher": "mi profesor",
    },
    # Men and women say these alike, which "estoy ocupado" and "estoy listo" would not be.
    "news": {
        "late": "llegaré tarde", "home": "estoy en casa",
        "busy": "tengo mucho que hacer", "ready": "ya lo tengo todo listo",
    },
    "steps": {
        "1": "un nivel", "2": "dos niveles", "3": "tres niveles",
        "4": "cuatro niveles", "5": "cinco niveles",
    },
    "means": {"foot": "a pie", "bus": "en autobús", "car": "en coche"},
    "item": {
        "milk": "leche", "bread": "pan", "rice": "arroz",
        "tea": "té", "apples": "manzanas", "eggs": "huevos",
    },
    "item_the": {
        "milk": "la leche", "bread": "el pan", "rice": "el arroz",
        "tea": "el té", "apples": "las manzanas", "eggs": "los huevos",
    },
}  # fmt: skip


_TOPICS: dict[Topic, tuple[str, str]] = {
    "film": ("f", "película"),
    "book": ("m", "libro"),
    "song": ("f", "canción"),
    "meal": ("f", "comida"),
    "trip": ("m", "viaje"),
    "room": ("f", "habitación"),
    "game": ("m", "juego"),
    "weather": ("m", "clima"),  # "este tiempo" would be heard as "this time"
}

# The words that agree with the topic, and the last letter of its adjectives.
_AGREEING = {
    "m": {"this": "este", "a": "un", "o": "o"},
    "f": {"this": "esta", "a": "una", "o": "a"},
}

_FEELINGS: dict[int, tuple[str, str, str, str]] = {
    3: (
        "{this} {topic} es absolutamente maravillos{o}.",
        "{this} {topic} es fantástic{o}.",
        "me encanta {this} {topic}.",
        "no hay mejor {topic} que {this}.",
    ),
    2: (
        "{this} {topic} es muy buen{o}.",
        "{this} {topic} es realmente buen{o}.",
        "me gusta mucho {this} {topic}.",
        "{this} es {a} {topic} muy buen{o}.",
    ),
    1: (
        "{this} {topic} es bastante buen{o}.",
        "{this} {topic} no está mal.",
        "me gusta bastante {this} {topic}.",
        "en general, {this} {topic} está bien.",
    ),
    0: (
        "la siguiente pregunta trata sobre {this} {topic}.",
        "esta información trata sobre {this} {topic}.",
        "aquí estamos hablando de {this} {topic}.",
        "ayer alguien preguntó por {this} {topic}.",
    ),
    -1: (
        "{this} {topic} no es muy buen{o}.",
        "{this} {topic} podría ser mejor.",
        "no me gusta mucho {this} {topic}.",
        "{this} {topic} no es tan buen{o} como esperaba.",
    ),
    -2: (
        "{this} {topic} es mal{o}.",
        "{this} {topic} no es buen{o}.",
        "no me gusta {this} {topic}.",
        "{this} {topic} es bastante mal{o}.",
    ),
    -3: (
        "{this} {topic} es absolutamente horrible.",
        "{this} {topic} es sencillamente espantos{o}.",
        "no me gusta nada {this} {topic}.",
        "no hay peor {topic} que {this}.",
    ),
}


def caption(scene: Scene, style: int) -> Line:
    """Say what is seen; style is taken modulo 3: there is ..., ... is, and the bare phrase."""
    one = scene.first.count == 1
    words = {
        "first": _phrase(scene.first),
        "be": "está" if one else "están",
        "see": "ve" if one else "ven",
    }
    if scene.second is None or scene.relation is None:
        return _line(_ONE_GROUP[style % 3].format(**words))
    landmark = f"{_RELATIONS[scene.relation]} {_phrase(scene.second)}"
    return _line(_TWO_GROUPS[style % 3].format(landmark=landmark, **words))


def request(request: Request, style: int) -> Line:
    """Ask; style is taken modulo 3: do ..., please do ..., can you do ...?"""
    values = dict(request.slots)
    asked = next((value for value in values.values() if value in _REQUESTS), request.intent)
    order, infinitive, what = _REQUESTS[asked]
    words = {
        form: said[values[slot]]
        for form, said in _SLOTS.items()
        if (slot := form.partition("_")[0]) in values
    }
    manner = _MANNERS[style % 3]
    return _line(manner.format(order=order, infinitive=infinitive, what=what.format(**words)))


def feeling(feeling: Feeling) -> Line:
    """Judge the topic as kindly as the sentiment says; there are four wordings."""
    gender, topic = _TOPICS[feeling.topic]
    frame = _FEELINGS[feeling.sentiment][feeling.wording % 4]
    return _line(frame.format(topic=topic, **_AGREEING[gender]))


def _line(sentence: str) -> Line:
    text = sentence[0].upper() + sentence[1:]
    return Line(text=text, spoken=text)


def _phrase(things: Things) -> str:
    gender, one, several = _NOUNS[things.kind]
    if things.count == 1:
        number, noun = _AGREEING[gender]["a"], one
    else:
        number, noun = _NUMBERS[things.count], several
    form = 2 * (things.count > 1) + (gender == "f")
    colour, size = _COLOURS[things.colour][form], _SIZES[things.size][form]
    return " ".join(word for word in (number, noun, colour, size) if word)
