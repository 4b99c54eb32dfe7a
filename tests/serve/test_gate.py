"""What every request passes: the key, the sizes, the times, one shape of error, the log."""

import logging
import re
import socket
import tempfile
import threading
import time

import pytest

from tests.conftest import png, tone
from tests.serve.toys import Toy, fetch, running, send, until
from trivium.data.audio import encode_wav
from trivium.errors import TriviumError
from trivium.serve import app as served_app
from trivium.serve.gate import Allowance, Held
from trivium.serve.refusal import Refusal

SOUND = encode_wav(tone(0.5))
KEY = "a secret of many letters"


@pytest.fixture(scope="module")
def server():
    small = {"max_bytes": 100_000, "max_text_bytes": 5_000, "max_parts": 8, "upload_seconds": 0.5,
             "max_held_bytes": 150_000, "max_found": 50}  # fmt: skip
    with running(**small) as (url, collection):
        yield url, collection


@pytest.fixture
def post(server):
    def ask(path="/embed", **more):
        return send(server[0] + path, timeout=20, **more)

    return ask


def error_of(answer):
    """The error of an answer, after a look at its shape."""
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"]
    assert error["message"]
    return error


def test_every_error_has_one_shape_and_its_id_is_in_the_log(post, caplog):
    caplog.set_level(logging.INFO, "trivium.serve")
    for path, more, status in [
        ("/nowhere", {}, 404), ("/health", {}, 405), ("/embed", {"data": {"text": "refuse"}}, 400),
        ("/embed", {"data": {"txet": "x"}}, 422), ("/embed", {"data": {"text": "break"}}, 500),
        ("/search", {"data": {"text": "x"}}, 400), ("/embed", {}, 422),
        ("/embed", {"content": b"x", "headers": {"content-encoding": "gzip"}}, 415),
    ]:  # fmt: skip
        answer = post(path, **more)
        assert answer.status_code == status, answer.text
        error = error_of(answer)
        line = f"{error['request_id']} POST {path} {status}"
        until(lambda line=line: line in caplog.text)
    assert "ZeroDivisionError" in caplog.text
    assert "there is nothing at '/nowhere'" in post("/nowhere").text
    assert "POST is not what '/health' takes" in post("/health").text
    assert "ZeroDivisionError: a bug" in post(data={"text": "break"}).json()["error"]["message"]


def test_answers_tell_browsers_to_load_nothing_from_outside(server):
    headers = fetch(server[0]).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


def test_what_is_too_large_is_refused_before_it_is_read(post, server):
    answer = post(files={"speech": b"0" * 200_000})
    assert answer.status_code == 413
    assert "at most 100,000 are read" in error_of(answer)["message"]
    answer = post("/v1/embeddings", json={"model": "toy", "input": "x" * 6_000})
    assert answer.status_code == 413
    assert "at most 5,000" in error_of(answer)["message"]


def test_who_sends_all_before_he_listens_hears_that_it_is_too_large(server):
    host, port = server[0].removeprefix("http://").split(":")
    size = 8 * 2**20
    with socket.create_connection((host, int(port)), timeout=60) as line:
        head = ("POST /embed HTTP/1.1", f"Host: {host}", f"Content-Length: {size}",
                "Content-Type: multipart/form-data; boundary=x", "", "")  # fmt: skip
        line.sendall("\r\n".join(head).encode() + bytes(size))
        answer = b""
        while chunk := line.recv(65_536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"at most 100,000 are read" in answer


def test_what_does_not_tell_its_length_is_counted(post):
    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="speech"; filename="a"\r\n\r\n'
        for _ in range(30):
            yield b"0" * 10_000

    answer = post(content=body(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413
    assert "at most 100,000" in error_of(answer)["message"]


def test_many_parts_are_refused(post):
    answer = post(files=[("image", (f"{n}.png", png())) for n in range(1_001)])
    assert answer.status_code in (400, 413)
    answer = post(files=[("image", (f"{n}.png", png())) for n in range(9)])
    assert answer.status_code == 400
    assert "Too many files" in error_of(answer)["message"]
    answer = post(data={"text": ["x"] * 9}, files={"image": b""})
    assert "Too many fields" in error_of(answer)["message"]
    assert post(files=[("image", (f"{n}.png", png())) for n in range(8)]).status_code == 200


def test_what_all_requests_hold_together_is_bounded(post, server):
    answer = post(files={"speech": encode_wav(tone(2.0))})  # 64 kB, decoded 128 kB
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert error_of(answer)["code"] == "busy"
    for _ in range(5):  # what each held is given back
        assert post(files={"speech": SOUND}).status_code == 200


def test_what_does_not_tell_its_length_is_held_as_it_comes():
    def body():
        for _ in range(3):
            yield b"0" * 10_000

    with running(max_held_bytes=20_000) as (url, _):
        kind = {"content-type": "multipart/form-data; boundary=x"}
        assert send(f"{url}/embed", content=body(), headers=kind).status_code in (400, 429)
        kind = {"content-type": "application/json"}
        answer = send(f"{url}/v1/embeddings", content=body(), headers=kind)
        assert answer.status_code == 429
        assert error_of(answer)["code"] == "busy"


def test_an_allowance_is_given_back():
    allowance = Allowance(100)
    one, two = Held(allowance), Held(allowance)
    one.add(60)
    with pytest.raises(Refusal, match="50 bytes more do not fit"):
        two.add(50)
    two.add(40)
    one.release()
    two.add(60)
    two.release()
    assert allowance.used == 0


def test_who_sends_slowly_is_told_so(server):
    host, port = server[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        head = ("POST /embed HTTP/1.1", f"Host: {host}", "Content-Length: 5000",
                "Content-Type: multipart/form-data; boundary=x", "", "--x", "")  # fmt: skip
        line.sendall("\r\n".join(head).encode())
        answer = b""
        while chunk := line.recv(65_536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"5 bytes came in 0.5 s, and the request goes on" in answer
    assert fetch(f"{server[0]}/health").status_code == 200


def test_no_file_of_a_client_is_ever_on_the_disk(monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tempfile.TemporaryFile()  # noqa: SIM115
    sound = encode_wav(tone(100.0))
    assert len(sound) > 3e6
    with running() as (url, _):
        assert send(f"{url}/embed", files={"speech": sound}).status_code == 200


def test_a_page_of_another_site_may_look_at_the_page_alone(server):
    from_outside = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    answer = send(f"{server[0]}/embed", data={"text": "x"}, headers=from_outside)
    assert answer.status_code == 403
    assert "a page of https://evil.example may not" in error_of(answer)["message"]
    assert fetch(server[0], headers=from_outside).status_code == 200
    own = {"sec-fetch-site": "same-origin"}
    assert send(f"{server[0]}/embed", data={"text": "x"}, headers=own).status_code == 200


def test_a_server_answers_to_its_names_only(server):
    answer = fetch(f"{server[0]}/v1/models", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "wrong_host"
    for name in ("localhost:1", "127.0.0.1", "[::1]:80"):
        assert fetch(f"{server[0]}/health", headers={"host": name}).status_code == 200
    assert fetch(f"{server[0]}/health", headers={"host": "[::"}).status_code == 400


def test_with_a_key_only_who_knows_it_is_served():
    with running(api_key=KEY) as (url, _):
        for given, status in [
            ({}, 401), ({"authorization": "Bearer wrong"}, 401), ({"authorization": KEY}, 401),
            ({"authorization": b"Bearer \xff"}, 401), ({"authorization": f"Bearer {KEY}"}, 200),
            ({"authorization": f"bearer {KEY}"}, 200),
        ]:  # fmt: skip
            answer = fetch(f"{url}/v1/models", headers=given)
            assert answer.status_code == status
            if status == 401:
                assert error_of(answer)["type"] == "authentication_error"
        assert send(f"{url}/embed", data={"text": "x"}).status_code == 401
        for path in ("/", "/health", "/docs", "/openapi.json"):
            assert fetch(url + path).status_code == 200


def test_an_answer_that_takes_too_long_is_given_up():
    toy = Toy()
    with running(lambda name, device: toy, request_seconds=0.5) as (url, collection):
        toy.gate.clear()
        answers = [send(f"{url}/embed", data={"text": "x"}) for _ in range(2)]
        assert {answer.status_code for answer in answers} == {503}
        assert "takes more than 0.5 s" in error_of(answers[0])["message"]
        toy.gate.set()
        until(lambda: collection.engines["toy"].waiting == 0)
        assert send(f"{url}/embed", data={"text": "x"}).status_code == 200
    assert len(toy.asked) == 5  # three to warm up, and of the two that were given up the first


def test_while_the_model_computes_others_are_answered():
    toy = Toy()
    with running(lambda name, device: toy) as (url, _):
        toy.gate.clear()
        slow = threading.Thread(target=lambda: send(f"{url}/embed", data={"text": "x"}))
        slow.start()
        assert fetch(f"{url}/health").status_code == 200
        assert slow.is_alive()
        toy.gate.set()
        slow.join()


def test_a_full_queue_is_429():
    toy = Toy()
    with running(lambda name, device: toy, queue=1, batch=1) as (url, collection):
        toy.gate.clear()
        threads = []
        for waiting in (0, 1):
            threads.append(threading.Thread(
                target=lambda: send(f"{url}/embed", data={"text": "x"})))  # fmt: skip
            threads[-1].start()
            until(lambda waiting=waiting: collection.engines["toy"].waiting == waiting)
            time.sleep(0.05)
        answer = send(f"{url}/embed", data={"text": "x"})
        assert answer.status_code == 429
        assert error_of(answer)["type"] == "rate_limit_error"
        toy.gate.set()
        for thread in threads:
            thread.join()


def test_before_all_is_loaded_is_503_and_after_it_is_not():
    may = threading.Event()

    def load(name, device):
        may.wait(30)
        return Toy()

    with running(load, wait=False) as (url, collection):
        answer = send(f"{url}/embed", data={"text": "x"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert error_of(answer)["code"] == "loading"
        health = fetch(f"{url}/health")
        assert (health.status_code, health.json()["status"]) == (503, "loading")
        may.set()
        until(lambda: collection.ready)
        assert fetch(f"{url}/health").json()["status"] == "ready"
        assert send(f"{url}/embed", data={"text": "x"}).status_code == 200


def test_a_model_that_cannot_be_loaded_is_told(caplog):
    def load(name, device):
        raise TriviumError(f"{name} is broken")

    with running(load) as (url, _):
        answer = send(f"{url}/embed", data={"text": "x"})
        assert answer.status_code == 503
        assert "toy is broken" in error_of(answer)["message"]
        assert fetch(f"{url}/health").json()["status"] == "failed"
    assert "toy is broken" in caplog.text


def test_who_is_being_answered_when_the_server_ends_is_answered():
    toy, answers = Toy(), []
    with running(lambda name, device: toy, models=("ends",)) as (url, collection):
        toy.gate.clear()
        asking = threading.Thread(
            target=lambda: answers.append(send(f"{url}/embed", data={"text": "x"}))
        )
        asking.start()
        until(lambda: len(toy.asked) == 3)
        time.sleep(0.1)
        collection.server.should_exit = True
        time.sleep(0.3)
        assert collection.thread.is_alive()
        toy.gate.set()
        asking.join()
        collection.thread.join(30)
    assert answers[0].status_code == 200
    assert not [one for one in threading.enumerate() if one.name.startswith("model-ends")]


def test_the_page_is_served_with_its_files(tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("<!doctype html><script src=/page/x.js></script>")
    (tmp_path / "x.js").write_text("1")
    monkeypatch.setattr(served_app, "PAGE", tmp_path)
    with running(api_key=KEY) as (url, _):
        assert "x.js" in fetch(url).text
        assert fetch(f"{url}/page/x.js").text == "1"
        assert fetch(f"{url}/page/../settings.py").status_code in (401, 404)
        assert "default-src 'none'" in fetch(f"{url}/page/x.js").headers[
            "content-security-policy"]  # fmt: skip


def test_the_protocol_is_a_page_that_needs_nothing_from_outside(server):
    page = fetch(f"{server[0]}/docs").text
    schema = fetch(f"{server[0]}/openapi.json").json()
    for path in schema["paths"]:
        assert path.replace("{", "{") in page
    assert "curl http://127.0.0.1:8000/search" in page
    assert not re.search(r"(?:src|href)=[\"']?(?:http|//)", page)
    assert "<script" not in page
    assert "HTTPValidationError" not in str(schema)
    assert "example" in str(schema["components"]["schemas"]["Wish"])
