"""Spanish sentences as a reader expects them, written from the language's rules."""

import itertools
import re
from typing import get_args

import pytest

from trivium.data.world import content
from trivium.data.world.content import SLOTS, Feeling, Request, Scene, Things
from trivium.data.world.grammar import spanish

CAPTIONS = [
    ("1 large red star above 2 small blue fish", 0,
     "Hay una estrella roja grande encima de dos peces azules pequeños."),
    ("1 large red star above 2 small blue fish", 1,
     "Una estrella roja grande está encima de dos peces azules pequeños."),
    ("2 small blue fish below 1 large red star", 1,
     "Dos peces azules pequeños están debajo de una estrella roja grande."),
    ("1 large red star above 2 small blue fish", 2,
     "Una estrella roja grande encima de dos peces azules pequeños."),
    # Hay and se ve: the first has one form, the second agrees.
    ("3 medium yellow flower", 0, "Hay tres flores amarillas."),
    ("3 medium yellow flower", 1, "Se ven tres flores amarillas."),
    ("1 medium yellow flower", 1, "Se ve una flor amarilla."),
    # Gender.
    ("1 small white moon", 2, "Una luna blanca pequeña."),
    ("1 small white tree", 2, "Un árbol blanco pequeño."),
    ("2 small black key", 2, "Dos llaves negras pequeñas."),
    ("2 small black hat", 2, "Dos sombreros negros pequeños."),
    ("4 medium yellow cloud left 1 small red car", 0,
     "Hay cuatro nubes amarillas a la izquierda de un coche rojo pequeño."),
    # Colours that have no feminine, and those that are named after things.
    ("1 medium green leaf right 1 medium blue house", 0,
     "Hay una hoja verde a la derecha de una casa azul."),
    ("1 medium orange cat", 0, "Hay un gato naranja."),
    ("3 medium orange cat", 0, "Hay tres gatos naranjas."),
    ("1 medium pink heart", 0, "Hay un corazón rosa."),
    ("2 small pink heart", 0, "Hay dos corazones rosas pequeños."),
    ("1 medium brown book", 0, "Hay un libro marrón."),
    ("4 large brown bell", 0, "Hay cuatro campanas marrones grandes."),
    ("1 large purple cup", 0, "Hay una taza morada grande."),
    ("2 medium purple boat", 0, "Hay dos barcos morados."),
    # Plurals: z becomes c, an accent goes, a word stays as it is.
    ("1 medium green fish", 1, "Se ve un pez verde."),
    ("2 medium green tree", 1, "Se ven dos árboles verdes."),
    ("1 medium black umbrella", 1, "Se ve un paraguas negro."),
    ("3 medium black umbrella", 1, "Se ven tres paraguas negros."),
    ("3 small white bird right 2 large red mushroom", 2,
     "Tres pájaros blancos pequeños a la derecha de dos setas rojas grandes."),
]  # fmt: skip

NOUNS = {
    "star": ("Una estrella roja", "estrellas rojas"),
    "heart": ("Un corazón rojo", "corazones rojos"),
    "moon": ("Una luna roja", "lunas rojas"),
    "cloud": ("Una nube roja", "nubes rojas"),
    "tree": ("Un árbol rojo", "árboles rojos"),
    "flower": ("Una flor roja", "flores rojas"),
    "leaf": ("Una hoja roja", "hojas rojas"),
    "mushroom": ("Una seta roja", "setas rojas"),
    "apple": ("Una manzana roja", "manzanas rojas"),
    "carrot": ("Una zanahoria roja", "zanahorias rojas"),
    "fish": ("Un pez rojo", "peces rojos"),
    "bird": ("Un pájaro rojo", "pájaros rojos"),
    "cat": ("Un gato rojo", "gatos rojos"),
    "butterfly": ("Una mariposa roja", "mariposas rojas"),
    "house": ("Una casa roja", "casas rojas"),
    "boat": ("Un barco rojo", "barcos rojos"),
    "car": ("Un coche rojo", "coches rojos"),
    "ball": ("Una pelota roja", "pelotas rojas"),
    "cup": ("Una taza roja", "tazas rojas"),
    "key": ("Una llave roja", "llaves rojas"),
    "bell": ("Una campana roja", "campanas rojas"),
    "hat": ("Un sombrero rojo", "sombreros rojos"),
    "umbrella": ("Un paraguas rojo", "paraguas rojos"),
    "book": ("Un libro rojo", "libros rojos"),
}

REQUESTS = [
    ("alarm", ("7", "tomorrow"), 0, "Pon una alarma para mañana a las siete."),
    ("alarm", ("10", "monday"), 1, "Por favor, pon una alarma para el lunes a las diez."),
    ("alarm", ("5", "today"), 2, "¿Puedes poner una alarma para hoy a las cinco?"),
    ("timer", ("45",), 0, "Pon un temporizador de cuarenta y cinco minutos."),
    ("weather", ("london", "monday"), 2, "¿Puedes decirme qué tiempo hará el lunes en Londres?"),
    ("weather", ("tokyo", "today"), 0, "Dime qué tiempo hará hoy en Tokio."),
    ("music", ("classical", "fast"), 0, "Pon música clásica rápida."),
    ("light", ("garden", "on"), 0, "Enciende la luz del jardín."),
    ("light", ("kitchen", "off"), 2, "¿Puedes apagar la luz de la cocina?"),
    ("call", ("doctor",), 1, "Por favor, llama a mi médico."),
    ("message", ("mother", "late"), 0,
     "Envíale un mensaje a mi madre para decirle que llegaré tarde."),
    ("message", ("brother", "home"), 2,
     "¿Puedes enviarle un mensaje a mi hermano para decirle que estoy en casa?"),
    ("volume", ("up", "1"), 0, "Sube el volumen un nivel."),
    ("volume", ("down", "3"), 2, "¿Puedes bajar el volumen tres niveles?"),
    ("route", ("airport", "car"), 0, "Muéstrame cómo llegar al aeropuerto en coche."),
    ("route", ("station", "foot"), 2, "¿Puedes mostrarme cómo llegar a la estación a pie?"),
    ("shopping", ("milk", "add"), 1, "Por favor, añade leche a mi lista de la compra."),
    ("shopping", ("eggs", "remove"), 0, "Quita los huevos de mi lista de la compra."),
]  # fmt: skip

FEELINGS = [
    ("film", 3, 1, "Esta película es fantástica."),
    ("book", 3, 0, "Este libro es absolutamente maravilloso."),
    ("song", 3, 3, "No hay mejor canción que esta."),
    ("trip", 2, 3, "Este es un viaje muy bueno."),
    ("meal", 2, 3, "Esta es una comida muy buena."),
    ("room", 1, 1, "Esta habitación no está mal."),
    ("game", 0, 3, "Ayer alguien preguntó por este juego."),
    ("weather", -1, 0, "Este clima no es muy bueno."),
    ("song", -1, 3, "Esta canción no es tan buena como esperaba."),
    ("film", -2, 0, "Esta película es mala."),
    ("room", -3, 1, "Esta habitación es sencillamente espantosa."),
    ("weather", -3, 3, "No hay peor clima que este."),
]


def things(count, size, colour, kind):
    return Things(kind, colour, size, int(count))


def scene(said):
    words = said.split()
    second = things(*words[5:]) if words[5:] else None
    return Scene(things(*words[:4]), second, words[4] if second else None, "sand")


@pytest.mark.parametrize(("said", "style", "expected"), CAPTIONS)
def test_a_caption_agrees_in_gender_and_number(said, style, expected):
    assert spanish.caption(scene(said), style).text == expected


@pytest.mark.parametrize(("intent", "values", "style", "expected"), REQUESTS)
def test_a_request_reads_as_expected(intent, values, style, expected):
    asked = Request(intent, tuple(zip(SLOTS[intent], values, strict=True)))
    assert spanish.request(asked, style).text == expected


@pytest.mark.parametrize(("topic", "sentiment", "wording", "expected"), FEELINGS)
def test_a_feeling_agrees_with_its_topic(topic, sentiment, wording, expected):
    assert spanish.feeling(Feeling("happy", sentiment, topic, wording)).text == expected


@pytest.mark.parametrize("kind", get_args(content.Kind))
def test_every_noun_has_its_gender_and_its_plural(kind):
    one, several = NOUNS[kind]
    both = Scene(Things(kind, "red", "medium", 1), Things(kind, "red", "medium", 3), "below", "sky")
    assert spanish.caption(both, 2).text == f"{one} debajo de tres {several}."


def test_the_words_about_one_thing_and_about_several_end_as_they_must():
    kinds, colours = get_args(content.Kind), get_args(content.Colour)
    for kind, colour, count in itertools.product(kinds, colours, range(1, 5)):
        text = spanish.caption(
            Scene(Things(kind, colour, "small", count), None, None, "sky"), 2
        ).text
        number, noun, tint, size = text.removesuffix(".").split()
        if count == 1:
            assert number in ("Un", "Una")
            assert size == {"Un": "pequeño", "Una": "pequeña"}[number]
            assert re.search("[^s]$", tint)
        else:
            assert noun.endswith("s")
            assert tint.endswith("s")
            assert size in ("pequeños", "pequeñas")
        assert not (tint.rstrip("s").endswith("o") and size.rstrip("s").endswith("a"))


def test_no_contraction_is_left_undone():
    for intent, slots in SLOTS.items():
        for values in itertools.product(*slots.values()):
            asked = Request(intent, tuple(zip(slots, values, strict=True)))
            for style in range(3):
                assert not re.search(r"\b(a|de) el\b", spanish.request(asked, style).text)
