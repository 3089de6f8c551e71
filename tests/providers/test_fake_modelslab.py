# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake of ModelsLab: it takes what the documents show, and refuses all else."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from ..fakes.servers import loopback
from ..fakes.servers.modelslab import (
    FAILURES,
    LARGEST_UPLOAD,
    RANDOM_SEED,
    VIDEO,
    ModelsLabServer,
    old_rate_limit,
    queue_full,
    textured_obj,
)
from ..prism import needs_prism, prism

KEY = "ML-7Yq3vT"
MODELS = {"glb": b"glTF" + b"\2" * 500, "obj": b"o model\n", "stl": b"solid\n", "ply": b"ply\n"}
FOREIGN = "https://i.example/736x/7c/83/64/7c83645c903677dd93ef50fe953dceea.jpg"
CREATE = "/api/v6/3d/image_to_3d"
ENTERPRISE = "/api/v1/enterprise/3d/image_to_3d"
UPLOAD = "/api/v6/base64_to_url"
SPEC = Path(__file__).parents[1] / "data" / "modelslab_v6_openapi.yaml"

# The examples of the two pages, with a key and another picture.
V6_EXAMPLE: dict[str, Any] = {
    "key": KEY,
    "init_image": FOREIGN,
    "ss_sampling_steps": 50,
    "slat_sampling_steps": 50,
    "output_format": "glb",
    "webhook": None,
    "track_id": None,
    "temp": "no",
}
LEGACY_EXAMPLE: dict[str, Any] = {
    "key": KEY,
    "model_id": "instantmesh",
    "image": FOREIGN,
    "foreground_ratio": 0.85,
    "remove_bg": False,
    "resolution": 256,
    "chunk_size": 8192,
    "seed": 0,
    "temp": "no",
}
# What the OpenAPI document forbids: one field of the example, changed.
BROKEN: list[tuple[str, Any]] = [
    ("output_format", "fbx"),
    ("output_format", "GLB"),
    ("output_format", None),
    ("render", "false"),
    ("render", 0),
    ("resolution", 513),
    ("resolution", 256.5),
    ("resolution", "256"),
    ("multi_image", 1),
    ("ss_guidance_strength", "7.5"),
    ("ss_guidance_strength", True),
    ("ss_sampling_steps", 0),
    ("ss_sampling_steps", 51),
    ("ss_sampling_steps", "12"),
    ("ss_sampling_steps", None),
    ("slat_guidance_strength", -0.1),
    ("slat_guidance_strength", 10.1),
    ("slat_sampling_steps", 0),
    ("slat_sampling_steps", 51),
    ("mesh_simplify", 0.89),
    ("mesh_simplify", 0.99),
    ("chunk_size", 12001),
    ("seed", True),
    ("seed", "0"),
    ("temp", "maybe"),
    ("temp", False),
    ("webhook", 1),
    ("track_id", 7),
    ("init_image", 7),
]
# What only the fake forbids: other fields, and what is inferred.
UNKNOWN: list[tuple[str, Any]] = [
    ("resolution", 0),
    ("resolution", 256.0),
    ("chunk_size", 0),
    ("seed", -1),
    ("seed", 2**32),
    ("texture_size", 1024),
    ("model_id", "instantmesh"),
    ("foreground_ratio", 0.85),
    ("remove_bg", True),
    ("base64", True),
    ("prompt", "a cup"),
    ("init_image", "data:image/png;base64,iVBORw0KGgo="),
    ("init_image", "cup.png"),
    ("init_image", ""),
    ("image", None),
    ("image", "https://i.example/another.jpg"),
]
LEGACY_BROKEN: list[tuple[str, Any]] = [
    ("model_id", "trellis"),
    ("init_image", FOREIGN),
    ("foreground_ratio", "0.85"),
    ("foreground_ratio", 1.5),
    ("remove_bg", "no"),
    ("resolution", 513),
    ("chunk_size", 12001),
    ("output_format", "glb"),
    ("ss_sampling_steps", 12),
    ("webhook", None),
]


@pytest.fixture
def server() -> Iterator[ModelsLabServer]:
    with ModelsLabServer(KEY, MODELS) as server:
        server.known_urls.add(FOREIGN)
        yield server


def post(server: ModelsLabServer, path: str, body: Any, **words: Any) -> requests.Response:
    return requests.post(server.url + path, json=body, timeout=600, **words)


def create(server: ModelsLabServer, **changed: Any) -> requests.Response:
    return post(server, CREATE, {**V6_EXAMPLE, **changed})


def fetch(server: ModelsLabServer, job: int) -> Any:
    answer = post(server, f"/api/v6/3d/fetch/{job}", {"key": KEY})
    assert answer.status_code == 200
    return answer.json()


def finished(server: ModelsLabServer, job: int) -> Any:
    while (reply := fetch(server, job))["status"] == "processing":
        pass
    return reply


def data_uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def picture(kind: str = "PNG", *views: tuple[int, int], mode: str = "RGBA", width: int = 20) -> bytes:
    """A picture that is filled from the first to the last column of each view."""
    image = Image.new(mode, (width, 8))
    for first, last in views or ((2, 18),):
        image.paste((200, 60, 40, 255)[: len(mode)], (first, 1, last, 7))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def upload(server: ModelsLabServer, content: bytes) -> str:
    reply = post(server, UPLOAD, {"key": KEY, "base64_string": data_uri(content)}).json()
    (url,) = reply["output"]
    assert reply["status"] == "success" and isinstance(reply["id"], int) and server.uploads[url] == content
    return str(url)


def test_the_example_of_v6_leads_to_a_model(server: ModelsLabServer) -> None:
    begun = create(server).json()
    assert (begun["status"], begun["output"], begun["extra_assets"]) == ("processing", [], [])
    assert isinstance(begun["id"], int) and isinstance(begun["eta"], int) and begun["tip"] and begun["message"]
    assert begun["fetch_result"] == f"{server.base_url}/v6/3d/fetch/{begun['id']}"
    (link,) = begun["future_links"]
    assert requests.get(link, timeout=600).status_code == 404
    assert requests.post(begun["fetch_result"], json={"key": KEY}, timeout=600).json()["status"] == "processing"
    done = fetch(server, begun["id"])
    assert (done["status"], done["id"], done["output"]) == ("success", begun["id"], [link])
    assert done["generationTime"] == 10.62
    assert done["meta"]["seed"] == RANDOM_SEED and done["meta"]["ss_sampling_steps"] == 50
    assert [requests.get(url, timeout=600).content for url in (link, *done["proxy_links"])] == [MODELS["glb"]] * 2
    assert (server.creates, server.billable, server.complaints) == (1, 1, [])
    assert server.generated == [{name: value for name, value in V6_EXAMPLE.items() if name != "key"}]


def test_the_example_of_the_legacy_page_leads_to_an_obj() -> None:
    with ModelsLabServer(KEY, MODELS, polls=0, dialect="instantmesh") as server:
        server.known_urls.add(FOREIGN)
        done = post(server, CREATE, LEGACY_EXAMPLE).json()
    assert set(done) == {"status", "generationTime", "id", "output", "proxy_links", "meta"}
    (link,) = done["output"]
    assert link == f"{server.cdn.url}/out/{done['meta']['file_prefix']}.obj"
    del done["meta"]["file_prefix"]
    assert done["meta"] == {
        "chunk_size": 8192,
        "foreground_ratio": ".85",
        "image": FOREIGN,
        "remove_bg": True,
        "render": False,
        "resolution": 256,
        "seed": RANDOM_SEED,
        "temp": "no",
    }


def test_the_example_of_the_enterprise_page_has_paths_of_its_own(server: ModelsLabServer) -> None:
    body = {**V6_EXAMPLE, "image": FOREIGN}
    del body["init_image"]
    begun = post(server, ENTERPRISE, body).json()
    assert begun["fetch_result"] == f"{server.url}/api/v1/enterprise/3d/fetch/{begun['id']}"
    assert post(server, f"/api/v6/3d/fetch/{begun['id']}", {"key": KEY}).status_code == 400
    assert requests.post(begun["fetch_result"], json={"key": KEY}, timeout=600).json()["status"] == "processing"
    assert requests.post(begun["fetch_result"], json={"key": KEY}, timeout=600).json()["status"] == "success"
    del body["output_format"]
    assert post(server, ENTERPRISE, body).json()["future_links"][0].endswith(".obj")
    assert post(server, "/api/v1/enterprise/base64_to_url", {"key": KEY}).status_code == 404


@pytest.mark.parametrize(("name", "value"), BROKEN + UNKNOWN)
def test_a_wrong_field_of_v6_is_refused_by_name(server: ModelsLabServer, name: str, value: Any) -> None:
    answer = create(server, **{name: value})
    assert answer.status_code == 400
    assert answer.json()["status"] == "error" and set(answer.json()["message"]) == {name}
    assert (server.creates, server.billable, server.complaints) == (1, 0, [])


@pytest.mark.parametrize(("name", "value"), LEGACY_BROKEN)
def test_a_wrong_field_of_the_legacy_page_is_refused_by_name(name: str, value: Any) -> None:
    with ModelsLabServer(KEY, MODELS, dialect="instantmesh") as server:
        server.known_urls.add(FOREIGN)
        answer = post(server, CREATE, {**LEGACY_EXAMPLE, name: value})
    assert (answer.status_code, set(answer.json()["message"]), server.billable) == (400, {name}, 0)


@pytest.mark.parametrize("name", ["image", "foreground_ratio", "resolution"])
def test_what_the_legacy_page_requires_is_required(name: str) -> None:
    with ModelsLabServer(KEY, MODELS, dialect="instantmesh") as server:
        body = {each: value for each, value in LEGACY_EXAMPLE.items() if each != name}
        answer = post(server, CREATE, body)
    assert (answer.status_code, answer.json()["message"]) == (400, {name: [f"The {name} field is required."]})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"{", "application/json"),
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b'{"key": "ML-7Yq3vT", "seed": NaN}', "application/json"),
        (b"\xff\xfe{}", "application/json"),
        (b"key=ML-7Yq3vT", "application/x-www-form-urlencoded"),
        (b'{"key": "ML-7Yq3vT"}', "text/plain"),
        (b'{"key": "ML-7Yq3vT"}', ""),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(server: ModelsLabServer, data: bytes, kind: str) -> None:
    for path in (CREATE, ENTERPRISE, UPLOAD, "/api/wallet_balance", "/api/v6/3d/fetch/1"):
        answer = requests.post(server.url + path, data, headers={"Content-Type": kind}, timeout=600)
        assert (answer.status_code, answer.json()["status"]) == (400, "error")


def test_a_large_seed_and_a_number_without_a_range_pass(server: ModelsLabServer) -> None:
    assert create(server, seed=2**32 - 1, ss_guidance_strength=100, slat_guidance_strength=0).status_code == 200
    assert server.generated[0]["seed"] == 2**32 - 1


@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": None}, {"key": [KEY]}, {"key": "another"}])
def test_only_the_right_key_opens(server: ModelsLabServer, body: Any) -> None:
    for path in (CREATE, UPLOAD, "/api/wallet_balance", "/api/assets_generated", "/api/v6/3d/fetch/1"):
        answer = post(server, path, body)
        assert (answer.status_code, answer.json()) == (401, {"status": "error", "message": "Invalid API key"})


def test_the_old_page_says_so_with_200() -> None:
    with ModelsLabServer(KEY, MODELS, key_error=200) as server:
        answer = post(server, "/api/wallet_balance", {"key": "another"})
    assert (answer.status_code, answer.json()["messege"]) == (200, "Invalid Api Key")


def test_other_methods_and_paths_are_refused(server: ModelsLabServer) -> None:
    for path in (CREATE, "/api/v6/3d/fetch/1", UPLOAD, "/api/wallet_balance"):
        for method in ("GET", "PUT"):
            assert requests.request(method, server.url + path, timeout=600).status_code == 405
    for path in ("/", "/api/v6/3d/fetch/", "/api/v6/3d/base64_to_url", CREATE + "/", "/api" + CREATE):
        answer = post(server, path, {"key": KEY})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html")


@pytest.mark.parametrize("only", ["init_image", "image"])
def test_where_one_name_is_right_the_other_is_unknown(only: str) -> None:
    with ModelsLabServer(KEY, MODELS, image_names="image" if only == "image" else "init_image") as server:
        server.known_urls.add(FOREIGN)
        (other,) = {"init_image", "image"} - {only}
        both = create(server, init_image=FOREIGN, image=FOREIGN)
        assert (both.status_code, set(both.json()["message"])) == (400, {other})
        alone = {name: value for name, value in V6_EXAMPLE.items() if name != "init_image"}
        assert set(post(server, CREATE, {**alone, other: FOREIGN}).json()["message"]) == {only, other}
        assert set(post(server, CREATE, alone).json()["message"]) == {only}
        assert post(server, CREATE, {**alone, only: FOREIGN}).status_code == 200
        assert (server.creates, server.billable) == (4, 1)


def test_both_names_are_one_picture_that_was_uploaded(server: ModelsLabServer) -> None:
    url = upload(server, picture())
    assert create(server, init_image=url, image=url).status_code == 200
    assert requests.get(url, timeout=600).content == picture()
    assert create(server, init_image=url + "x").json()["message"] == "Unable to fetch image from provided URL"
    server.uploads.clear()
    assert create(server, init_image=url).status_code == 400
    assert set(post(server, CREATE, {"key": KEY}).json()["message"]) == {"image"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_of_three_types_are_taken(server: ModelsLabServer, kind: str) -> None:
    content = picture(kind, mode="RGB")
    answer = post(server, UPLOAD, {"key": KEY, "base64_string": data_uri(content, kind.lower())})
    assert answer.status_code == 200 and list(server.uploads.values()) == [content]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"base64_string": 7},
        {"base64_string": ""},
        {"base64_string": base64.b64encode(picture()).decode()},
        {"base64_string": data_uri(picture(), "gif")},
        {"base64_string": data_uri(picture(), "jpg")},
        {"base64_string": data_uri(picture(), "jpeg")},
        {"base64_string": data_uri(picture())[:-3]},
        {"base64_string": data_uri(picture()) + "\n"},
        {"base64_string": data_uri(picture()[:60])},
        {"base64_string": data_uri(b"RIFF1234WAVEfmt ", "webp")},
        {"base64_string": data_uri(picture()), "crop": "true"},
        {"image": data_uri(picture())},
    ],
)
def test_what_is_no_picture_is_not_taken(server: ModelsLabServer, body: dict[str, Any]) -> None:
    assert post(server, UPLOAD, {"key": KEY, **body}).status_code == 400
    assert not server.uploads


def test_uploads_end_at_5_mb_of_base64(server: ModelsLabServer) -> None:
    small = picture()
    room = (LARGEST_UPLOAD - len("data:image/png;base64,")) // 4 * 3 - len(small)
    upload(server, small + b"\0" * room)
    answer = post(server, UPLOAD, {"key": KEY, "base64_string": data_uri(small + b"\0" * (room + 3))})
    assert (answer.status_code, "larger than 5 MB" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (picture("PNG", (2, 8), (10, 18)), 200),
        (picture("PNG", (1, 4), (6, 9), (11, 19)), 200),
        (picture("PNG", (2, 18)), 400),
        (picture("PNG", (0, 8), (10, 18)), 400),
        (picture("PNG", (2, 8), (10, 20)), 400),
        (picture("PNG", (0, 0)), 400),
        (picture("PNG", (2, 8), (10, 18), mode="RGB"), 400),
    ],
    ids=["two", "three", "one", "touches the left", "touches the right", "empty", "no alpha"],
)
def test_several_views_stand_apart_in_one_png(server: ModelsLabServer, content: bytes, status: int) -> None:
    url = upload(server, content)
    assert create(server, init_image=url, multi_image=True).status_code == status
    assert create(server, init_image=url, multi_image=False).status_code == 200


def test_several_views_must_be_a_png(server: ModelsLabServer) -> None:
    content = picture("WEBP", (2, 8), (10, 18))
    reply = post(server, UPLOAD, {"key": KEY, "base64_string": data_uri(content, "webp")}).json()
    assert create(server, init_image=reply["output"][0], multi_image=True).status_code == 400


def test_fetch_says_processing_in_three_ways(server: ModelsLabServer) -> None:
    server.polls = 3
    job = create(server).json()["id"]
    assert [fetch(server, job)["output"] for _ in range(3)] == ["", "", []]
    assert fetch(server, job)["status"] == "success"


def test_fetch_refuses_unknown_ids_and_fields(server: ModelsLabServer) -> None:
    job = create(server).json()["id"]
    for number in ("7", "abc123-def456", "-1", "9" * 30):
        assert post(server, f"/api/v6/3d/fetch/{number}", {"key": KEY}).json()["message"] == "Invalid request id"
    assert post(server, f"/api/v6/3d/fetch/{job}", {"key": KEY, "id": job}).status_code == 400


def test_jobs_end_badly_or_never(server: ModelsLabServer) -> None:
    server.polls = 0
    for end, status in (("failed", "failed"), ("error", "error"), ("never", "processing")):
        server.ends_as = end  # type: ignore[assignment]
        begun = create(server).json()
        assert begun["status"] == status
    assert fetch(server, begun["id"])["status"] == fetch(server, begun["id"])["status"] == "processing"
    assert server.billable == 3
    server.ends_as = "success"
    assert fetch(server, begun["id"])["status"] == "success"


def test_success_may_come_without_what_was_made(server: ModelsLabServer) -> None:
    server.polls, server.empty_outputs = 0, 2
    begun = create(server).json()
    assert begun == {"status": "success", "id": begun["id"], "output": ""}
    assert fetch(server, begun["id"])["output"] == ""
    assert len(fetch(server, begun["id"])["output"]) == 1
    server.short_success = True
    assert set(fetch(server, begun["id"])) == {"status", "id", "output"}
    server.short_success, server.without_links = False, True
    done = fetch(server, begun["id"])
    assert (done["output"], done["proxy_links"]) == ([], [])


def test_the_calls_fail_as_they_are_told(server: ModelsLabServer) -> None:
    told = [*FAILURES.values(), queue_full(2), old_rate_limit(5)]
    for failure in told:
        server.fails_with(failure)
    assert create(server, seed=-1).status_code == 400  # a wrong body uses none of them up
    answers = [create(server) for _ in told]
    assert [(answer.status_code, answer.json()) for answer in answers] == told
    assert answers[-2].json()["retry_after"] == 2 and "wait for 5 seconds" in answers[-1].json()["tips"]
    assert (server.creates, server.billable) == (len(told) + 1, 0)
    assert create(server).json()["status"] == "processing"


def test_results_may_be_late_or_only_at_the_proxy(server: ModelsLabServer) -> None:
    server.polls, server.cdn.lags = 0, 2
    done = create(server).json()
    assert [requests.get(done["output"][0], timeout=600).status_code for _ in range(3)] == [404, 404, 200]
    server.cdn.lags, server.cdn.forbids_output = 0, True
    assert requests.get(done["output"][0], timeout=600).status_code == 403
    assert requests.get(done["proxy_links"][0], timeout=600).content == MODELS["glb"]
    assert requests.get(server.cdn.url + "/out/another.glb", timeout=600).status_code == 404
    assert requests.post(done["proxy_links"][0], timeout=600).status_code == 405


def test_results_have_ranges_and_tags(server: ModelsLabServer) -> None:
    server.polls = 0
    (link,) = create(server).json()["output"]
    tag = requests.get(link, timeout=600).headers["etag"]
    rest = requests.get(link, headers={"Range": "bytes=100-", "If-Range": tag}, timeout=600)
    assert (rest.status_code, rest.content) == (206, MODELS["glb"][100:])


@pytest.mark.parametrize("place", ["output", "first", "extra_assets"])
def test_a_video_stands_beside_the_model(server: ModelsLabServer, place: Any) -> None:
    server.polls, server.video_in = 0, place
    done = create(server, render=True).json()
    links = {"output": done["output"][1:], "first": done["output"][:1], "extra_assets": done.get("extra_assets")}
    (video,) = links[place]
    assert video.endswith(".mp4") and requests.get(video, timeout=600).content == VIDEO
    assert sum(link.endswith(".glb") for link in done["output"]) == 1


def test_an_obj_comes_with_its_material_and_texture(server: ModelsLabServer) -> None:
    server.models["obj"], server.assets = textured_obj()
    begun = create(server, output_format="obj").json()
    assert [link.rpartition("/")[2] for link in begun["extra_assets"]] == ["material.mtl", "texture.png"]
    done = finished(server, begun["id"])
    assert done["extra_assets"] == begun["extra_assets"]
    assert requests.get(done["output"][0], timeout=600).content.startswith(b"mtllib material.mtl\n")
    assert [requests.get(link, timeout=600).content for link in done["extra_assets"]] == list(server.assets.values())


def test_the_history_finds_lost_jobs(server: ModelsLabServer) -> None:
    jobs = [create(server).json()["id"] for _ in range(3)]
    body = {"key": KEY, "type": "3d", "page": 1, "per_page": 2}
    assert post(server, "/api/assets_generated", body).json()["data"] == []
    reply = post(server, "/api/assets_generated", body).json()
    assert [each["id"] for each in reply["data"]] == jobs[:0:-1] and reply["pagination"]["total"] == 3
    assert requests.get(reply["data"][0]["output"][0], timeout=600).content == MODELS["glb"]
    for wrong in ({"type": "image"}, {"page": 0}, {"per_page": 31}, {"page": "1"}, {"sort": "id"}):
        assert set(post(server, "/api/assets_generated", {**body, **wrong}).json()["message"]) == set(wrong)


def test_the_balance_is_as_the_page_shows_it(server: ModelsLabServer) -> None:
    reply = post(server, "/api/wallet_balance", {"key": KEY}).json()
    assert reply == {"status": "success", "data": {"balance": 43.6, "currency": "USD"}}
    assert post(server, "/api/wallet_balance", {"key": KEY, "currency": "EUR"}).status_code == 400


def test_a_key_in_the_wrong_place_is_noticed(server: ModelsLabServer) -> None:
    server.polls = 0
    (link,) = create(server).json()["output"]
    basic = base64.b64encode(KEY.encode()).decode()
    requests.get(link, headers={"Authorization": "Bearer another"}, timeout=600)
    requests.get(f"{link}?key={KEY}", timeout=600)
    requests.post(server.cdn.url + "/api/v6/3d/fetch/1", json={"key": KEY}, timeout=600)
    post(server, "/api/wallet_balance", {"key": KEY}, headers={"key": "another"})
    post(server, "/api/wallet_balance", {"key": KEY}, headers={"X-Whatever": f"Basic {basic}"})
    post(server, "/api/wallet_balance?page=1", {"key": KEY})
    create(server, track_id=f"job of {KEY}")
    assert len(server.complaints) == 7


def test_fetch_result_may_lead_where_the_key_must_not_go(server: ModelsLabServer) -> None:
    server.fetch_result_host = server.cdn.url
    answer = requests.post(create(server).json()["fetch_result"], json={"key": KEY}, timeout=600)
    assert answer.status_code == 405 and len(server.complaints) == 1


def test_faults_of_the_loopback_server_count_as_calls(server: ModelsLabServer) -> None:
    server.fail(CREATE, loopback.reset_after)
    with pytest.raises(requests.ConnectionError):
        create(server)
    assert (server.creates, server.billable) == (1, 0)


def test_calls_at_once_get_ids_of_their_own(server: ModelsLabServer) -> None:
    threads = [threading.Thread(target=create, args=(server,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.billable, len(server.jobs)) == (20, 20)


@needs_prism
def test_the_documents_own_schema_agrees() -> None:
    """It requires `image`, which its own example lacks, and knows nothing of what the fake forbids beyond it."""
    right = {**V6_EXAMPLE, "image": FOREIGN}
    with prism(SPEC) as url:

        def status(body: dict[str, Any]) -> int:
            return requests.post(f"{url}/3d/image_to_3d", json=body, timeout=600).status_code

        assert (status(V6_EXAMPLE), status(right)) == (400, 200)
        assert [row for row in BROKEN if status({**right, row[0]: row[1]}) != 400] == []
        assert {status({**right, name: value}) for name, value in UNKNOWN} == {200}
