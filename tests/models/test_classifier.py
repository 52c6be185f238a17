from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.base.tensors import load_tensors, save_tensors
from ferturb.models.classifier import Classifier


def make(name: str = "compact", attention: bool = False, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return Classifier(ModelConfig(name=name, attention=attention, dropout=0.25))


@torch.no_grad()
def test_it_is_normalisation_backbone_mean_and_linear_layer() -> None:
    net = make("resnet18").double().eval()
    faces = torch.rand(3, 1, 48, 48, dtype=torch.float64)
    features = net.backbone((faces - 0.5077) / 0.2551).flatten(2).sum(2) / 9
    expected = features @ net.head.weight.T + net.head.bias
    torch.testing.assert_close(net(faces), expected, rtol=1e-10, atol=1e-12)


@torch.no_grad()
def test_uncentred_pixels_are_divided_by_255_twice() -> None:
    torch.manual_seed(0)
    net = Classifier(ModelConfig("resnet18", uncentred=True)).eval()
    faces = torch.rand(3, 1, 48, 48)
    torch.testing.assert_close(net(faces), net.head(net.backbone(faces / 255).mean((2, 3))))
    assert torch.equal(net.scaled(torch.zeros(1, 1, 4, 4)), torch.zeros(1, 1, 4, 4))


def test_dropout_works_in_training_only() -> None:
    net = make()
    faces = torch.rand(4, 1, 48, 48)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    assert not torch.equal(net(faces), net(faces))
    net.eval()
    assert torch.equal(net(faces), net(faces))


@pytest.mark.parametrize(
    ("name", "attention"),
    [("compact", True), ("resnet18", False), ("vgg16", True), ("mobilenetv3_small_100", True)],
)
@torch.no_grad()
def test_save_and_load_give_the_same_bits(name: str, attention: bool, tmp_path: Path) -> None:
    net = make(name, attention)
    net(torch.rand(4, 1, 48, 48))  # moves the running statistics
    net.eval().save(tmp_path / "model.safetensors")
    before = torch.random.get_rng_state()
    torch.manual_seed(99)  # the loaded weights don't depend on the generator
    loaded = Classifier.load(tmp_path / "model.safetensors")
    torch.random.set_rng_state(before)
    assert loaded.config == net.config
    assert not loaded.training
    for (key, ours), (other, theirs) in zip(
        net.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert key == other
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs), key
    faces = torch.rand(2, 1, 48, 48)
    assert torch.equal(loaded(faces), net(faces))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("the checkpoint was unpickled",)


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    plain, torch_file = tmp_path / "model.pkl", tmp_path / "model.pt"
    plain.write_bytes(pickle.dumps({"weights": Bomb()}))
    torch.save(make().state_dict(), torch_file)
    for path in (plain, torch_file):
        with pytest.raises(FerturbError, match="never unpickles") as error:
            Classifier.load(path)
        assert "\n" not in str(error.value)


def test_damaged_missing_and_foreign_files_are_one_line_errors(tmp_path: Path) -> None:
    good = tmp_path / "good.safetensors"
    make().save(good)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(good.read_bytes()[:-100])
    tensors, meta = load_tensors(good)

    def write(name: str, changed: dict[str, torch.Tensor], described: dict[str, object]) -> Path:
        save_tensors(tmp_path / name, changed, described)
        return tmp_path / name

    head = {**tensors, "head.weight": torch.zeros(8, 288)}
    fewer = {k: v for k, v in tensors.items() if k != "head.bias"}
    more = {**tensors, "tail.weight": torch.zeros(1)}
    cases = {
        "is not a safetensors file": cut,
        "does not exist": tmp_path / "none.safetensors",
        "holds no ferturb classifier": write("foreign", tensors, {}),
        r"expects head.weight \(7, 288\), got \(8, 288\)": write("head", head, meta),
        r"expects head.bias \(7,\), got nothing": write("fewer", fewer, meta),
        "has no weight 'tail.weight'": write("more", more, meta),
        "unknown model 'compakt': did you mean 'compact'": write(
            "name", tensors, {**meta, "model": {"name": "compakt"}}
        ),
        "has no field 'colour'": write("config", tensors, {**meta, "model": {"colour": "red"}}),
    }
    for message, path in cases.items():
        with pytest.raises(FerturbError, match=message) as error:
            Classifier.load(path)
        assert "\n" not in str(error.value)


def test_parameter_count_counts_every_trained_number_once() -> None:
    # resnet18: 11,689,512 published, its head of 1000 and 7x7x3 stem replaced; three 7x7x2 gates
    # with a scale and a shift each
    plain = 11_689_512 - 513 * 1000 + 513 * 7 - 64 * 147 + 64 * 9
    assert make("resnet18").parameter_count == plain
    assert make("resnet18", attention=True).parameter_count == plain + 3 * (2 * 49 + 2)


@pytest.mark.parametrize("stored", [{"attention_at": "stages"}, {}])
@torch.no_grad()
def test_a_network_stored_with_gates_behind_every_stage_is_the_network_it_was(
    stored: dict[str, str], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    old = Classifier(ModelConfig("compact", attention=True, attention_at="stages")).eval()
    assert [gate.conv.padding_mode for gate in old.gates] == ["zeros"] * 4
    meta = {"name": "compact", "attention": True, "dropout": 0.0} | stored
    path = tmp_path / "old.safetensors"
    save_tensors(path, old.state_dict(), {"format": "ferturb-classifier-1", "model": meta})
    faces = torch.rand(2, 1, 48, 48)
    loaded = Classifier.load(path)
    assert torch.equal(loaded(faces), old(faces))
    assert torch.equal(loaded.gate_maps(faces), old.gate_maps(faces))
