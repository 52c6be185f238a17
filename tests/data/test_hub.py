from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import pytest

from ferturb.base.errors import FerturbError
from ferturb.data import hub
from ferturb.data.hub import OFFERS, fetch, offer
from ferturb.data.sources import load_source


@pytest.fixture
def kaggle(monkeypatch, write_tree, kaggle_files):
    """A kagglehub that has one dataset, in a cache of its own."""
    client = ModuleType("kagglehub")
    client.asked = []

    def dataset_download(handle: str) -> str:
        client.asked.append(handle)
        return str(write_tree(kaggle_files, "kaggle-cache"))

    client.dataset_download = dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", client)
    return client


def test_kaggle(kaggle, tmp_path, small_faces, same_faces):
    out = fetch("fer2013", "kaggle", tmp_path / "deep" / "fer")
    assert kaggle.asked == ["msambare/fer2013"]
    assert out == tmp_path / "deep" / "fer"
    assert same_faces(load_source(out), small_faces)
    assert [p.name for p in out.parent.iterdir()] == ["fer"]


def test_a_folder_in_use_is_not_touched(kaggle, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(FerturbError, match="already exists and is not an empty folder"):
        fetch(out=tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]
    (tmp_path / "out" / "mine").unlink()
    assert len(load_source(fetch(out=tmp_path / "out"))) == 84


def test_a_failed_download_leaves_nothing(kaggle, tmp_path):
    def fails(handle: str) -> str:
        raise ConnectionError("no route to host\nmore of it")

    kaggle.dataset_download = fails
    with pytest.raises(FerturbError, match=r"\(no route to host\); see https") as error:
        fetch(out=tmp_path / "new" / "out")
    assert "\n" not in str(error.value)
    assert list((tmp_path / "new").iterdir()) == []


def test_an_absent_client_names_its_extra(monkeypatch, tmp_path):
    for source, extra in (("kaggle", "kaggle"), ("huggingface", "hub")):
        module = hub._CLIENTS[source][0]
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(FerturbError, match=rf"pip install '.*\[{extra}\]'"):
            fetch("fer2013", source, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_get_the_nearest(tmp_path):
    with pytest.raises(FerturbError, match="unknown dataset 'fer2103': did you mean 'fer2013'"):
        fetch("fer2103", out=tmp_path / "x")
    with pytest.raises(FerturbError, match="unknown source 'kagle': did you mean 'kaggle'"):
        offer("fer2013", "kagle")


def test_offers_say_what_one_should_know():
    for sources in OFFERS.values():
        for name, item in sources.items():
            assert item.source == name
            assert item.handle in item.address
            assert all(item.to_dict().values())
            assert ("1307.0414" if item.name == "fer2013" else "1608.01041") in item.origin


@pytest.fixture
def hub_server(kaggle_files):
    """A local server that speaks as much of the Hugging Face hub's protocol as a download needs."""
    handle = OFFERS["fer2013"]["huggingface"].handle
    commit = "0123456789abcdef0123456789abcdef01234567"

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body: bool):
            path = self.path.partition("?")[0]
            files = f"/datasets/{handle}/resolve/{commit}/"
            if path.startswith(f"/api/datasets/{handle}/tree/"):
                entries = [
                    {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                    for name, data in kaggle_files.items()
                ]
                data, kind = json.dumps(entries).encode(), "application/json"
            elif path.startswith(f"/api/datasets/{handle}"):
                siblings = [{"rfilename": name} for name in kaggle_files]
                info = {"id": handle, "sha": commit, "siblings": siblings, "private": False}
                data, kind = json.dumps(info).encode(), "application/json"
            elif path.startswith(files) and path[len(files) :] in kaggle_files:
                data, kind = kaggle_files[path[len(files) :]], "application/octet-stream"
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_huggingface_from_a_local_server(
    hub_server, tmp_path, monkeypatch, small_faces, same_faces
):
    client = pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")

    real = client.snapshot_download

    def point_at(endpoint: str) -> None:
        options = {"endpoint": endpoint, "token": False, "cache_dir": tmp_path / "hf"}
        monkeypatch.setattr(client, "snapshot_download", functools.partial(real, **options))

    point_at(hub_server)
    out = fetch("fer2013", "huggingface", tmp_path / "fer")
    assert same_faces(load_source(out), small_faces)
    point_at(f"{hub_server}/gone")
    with pytest.raises(FerturbError, match="can't download AutumnQiu/fer2013 from huggingface"):
        fetch("fer2013", "huggingface", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_votes_are_one_file_that_is_read_before_it_counts(tmp_path, monkeypatch):
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt"
    good, bad = tmp_path / "good" / "fer2013new.csv", tmp_path / "bad" / "fer2013new.csv"
    for path, more in (
        (good, ",unknown,NF\nTraining,fer0000000.png,4,0,0,1,3,2,0,0,0,0\n"),
        (bad, ""),
    ):
        path.parent.mkdir()
        path.write_text(header + more)
    assert offer("fer-plus").licence == "MIT"
    assert offer("fer-plus").address.startswith("https://")

    def point_at(path):
        votes = {"github": dataclasses.replace(offer("fer-plus"), address=path.as_uri())}
        monkeypatch.setitem(OFFERS, "fer-plus", votes)

    point_at(good)
    out = fetch("fer-plus", out=tmp_path / "votes")
    assert (out / "fer2013new.csv").read_bytes() == good.read_bytes()
    point_at(bad)
    with pytest.raises(FerturbError, match="missing column unknown"):
        fetch("fer-plus", out=tmp_path / "other")
    point_at(tmp_path / "absent.csv")
    with pytest.raises(FerturbError, match=r"can't download microsoft/FERPlus from github"):
        fetch("fer-plus", out=tmp_path / "other")
    assert not (tmp_path / "other").exists()
