"""A model as a folder for the Hugging Face hub, and its way there.

    push_to_hub("study/runs/NAME", "me/faces")
    Predictor.from_pretrained("me/faces")             # then anywhere

The folder holds model.safetensors (the weights; its header says what is known of the model),
config.json (the same, to read, and what `timm.create_model` needs: `ferturb.export.timm_models`),
model.onnx (everything in one file, which onnxruntime runs alone) and README.md, a model card whose
`model-index` the hub shows.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.storage import write_bytes, write_json, write_text
from ferturb.base.tensors import save_tensors
from ferturb.evaluation.scores import score
from ferturb.export.onnx import calibrated_onnx
from ferturb.export.timm_models import timm_config
from ferturb.export.torch_models import calibrated_module
from ferturb.models.classifier import Classifier
from ferturb.predict.hub import GRAPH, client, require_repository
from ferturb.predict.shipped import About
from ferturb.runs.run import Run

WEIGHTS = "model.safetensors"


def push_to_hub(
    source: str | Path,
    repository: str,
    *,
    public: bool = False,
    licence: str = "mit",
    token: str | None = None,
) -> str:
    """Push a finished run or a model of the package to OWNER/NAME, made where needed; the address.

    `token` None takes the one that the client was logged in with. A model that can't be written
    and whatever the hub refuses raise `FerturbError`.
    """
    require_repository(repository)
    hub = client()
    with tempfile.TemporaryDirectory() as parent:
        folder = write_hub_folder(source, Path(parent) / "model", repository, licence)
        try:
            api = hub.HfApi(token=token)
            api.create_repo(repository, private=not public, exist_ok=True)
            told = api.upload_folder(
                repo_id=repository, folder_path=str(folder), commit_message="Push from ferturb"
            )
        except Exception as error:  # whatever the client raises: no network, no permission, …
            raise FerturbError(
                f"can't push to {repository} ({first_line(error)[:200]}); log in with "
                "`hf auth login`, or write the folder (--folder) and upload it by hand"
            ) from error
    return str(told)


def write_hub_folder(
    source: str | Path, folder: Path, repository: str = "OWNER/NAME", licence: str = "mit"
) -> Path:
    """Write the folder alone, and return it.

    A run that sums views at test time raises `FerturbError`: `export` writes it as ONNX.
    """
    module, about = calibrated_module(source)
    network = module.model
    if not isinstance(network, Classifier):
        raise FerturbError(
            f"{about.name} sums views at test time and is no single network; "
            "write it as one ONNX file with `ferturb export`"
        )
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v for k, v in network.state_dict().items() if not k.endswith("batches_tracked")}
    save_tensors(folder / WEIGHTS, state, about.to_dict())
    known = {"library_name": "ferturb", **about.to_dict()}
    write_json(
        folder / "config.json", known | timm_config(about, network.backbone.features, licence)
    )
    write_bytes(folder / GRAPH, calibrated_onnx(module, about).SerializeToString())
    write_text(folder / "README.md", card(source, about, repository, licence))
    return folder


def card(source: str | Path, about: About, repository: str, licence: str) -> str:
    """The model card, with what the model scored in its front matter."""
    results = list(measured(source, about))
    index = [{"name": repository.rpartition("/")[2], "results": results}]
    front = {
        "license": licence,
        "library_name": "ferturb",
        "pipeline_tag": "image-classification",
        "tags": ["facial-expression-recognition", "ferturb", *about.heads],
        **({"model-index": index} if results else {}),
    }
    rows = [
        f"| {result['dataset']['name']}, {metric['name']} | {metric['value']:.4f} |"
        for result in results
        for metric in result["metrics"]
    ]
    scores = "\n".join(["| measure | value |", "|---|---:|", *rows]) if rows else "Not measured."
    said = {"votes": "shares of ten people's votes", "label": "of FER2013's labels"}
    return f"""---
{json.dumps(front, indent=2)}
---

# {repository}

A network that names the expression of a face of 48×48 grey pixels: {", ".join(EMOTIONS)}. Its
probabilities are {said[about.head]}. Made with ferturb.

```python
from ferturb import Predictor

for photo in Predictor.from_pretrained("{repository}").predict_files(["photo.jpg"]):
    print([(face.emotion, face.probabilities) for face in photo.faces])
```

Without ferturb, on faces that are cut out already (uint8, n × 48 × 48):

```python
import onnxruntime
from huggingface_hub import hf_hub_download

session = onnxruntime.InferenceSession(hf_hub_download("{repository}", "{GRAPH}"))
probabilities = session.run(["probabilities"], {{"faces": faces}})[0]
```

As a network of timm, to train on or to take features from:

```python
import timm
import ferturb.export.timm_models

network = timm.create_model("hf-hub:{repository}", pretrained=True)
```

{scores}

It reads what a face shows, not what a person feels. Don't use it to judge people.
"""


def measured(source: str | Path, about: About) -> Iterator[dict[str, Any]]:
    """What each head scored, as the hub's `model-index` has it."""
    for head in about.heads:
        found = dict(about.of(head).results)
        path = Path(source)
        if not found and path.is_dir():
            found = _of_run(Run(path), about, head)
        if not found:
            continue
        people = "FER+ (PrivateTest, eight classes)"
        test = {"votes": people, "label": f"{found['data']}, test split"}[head]
        named = {"accuracy": "accuracy", "macro_recall": "macro recall"}
        yield {
            "task": {"type": "image-classification"},
            "dataset": {"name": test, "type": "face-images"},
            "metrics": [
                {"type": key, "name": name, "value": found[key]}
                for key, name in named.items()
                if key in found
            ],
        }


def _of_run(run: Run, about: About, head: str) -> dict[str, Any]:
    """A run's scores on its test split; by labels alone, which every dataset has."""
    if head != "label":
        return {}
    found = score(run.name, *run.logits("test", about.augmentation, head))
    shares = {"accuracy": found.accuracy.estimate, "macro_recall": found.balanced_accuracy}
    rounded = {name: round(float(share), 4) for name, share in shares.items()}
    return {"data": run.record()["data"]["source"], **rounded}
