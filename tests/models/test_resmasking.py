from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

from ferturb.models.backbones import build_backbone, resnet
from ferturb.models.resmasking import DEPTHS, Mask, MaskedStage, with_masking


def conv(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2


def mask_parameters(c: int, depth: int) -> tuple[int, int]:
    """(all parameters of M, those of its shortcuts), from the paper's figure 3 by hand."""
    blocks = [(c * 2**i, c * 2 ** (i + 1)) for i in range(depth)]
    blocks += [(b, a) for a, b in blocks]
    shortcuts = sum(conv(a, b, 1) + 2 * b for a, b in blocks)
    bodies = sum(conv(a, b, 3) + conv(b, b, 3) + 4 * b for a, b in blocks)
    ups = [(c * 2 ** (i + 1), c * 2**i) for i in range(1, depth)]
    return bodies + shortcuts + sum(conv(a, b, 2) + 3 * b for a, b in ups), shortcuts


def test_parameter_count_is_the_published_one_with_our_stem() -> None:
    """The authors' 142.9 M holds the shortcuts of M twice (each is registered under two names)."""
    masks = [mask_parameters(c, d) for c, d in zip((64, 128, 256, 512), DEPTHS, strict=True)]
    resnet34 = 21_797_672 - (512 * 1000 + 1000) + (512 * 7 + 7)
    total = resnet34 + sum(m for m, _ in masks)
    assert round((total + sum(s for _, s in masks)) / 1e6, 1) == 142.9
    with torch.device("meta"):
        net = build_backbone("resmasking")
    ours = sum(p.numel() for p in net.parameters()) + 512 * 7 + 7
    assert ours == total - conv(3, 64, 7) + conv(1, 64, 3)


class NaiveMask(nn.Module):
    """The U-Net of depth 4 written out, with torchvision's residual block."""

    def __init__(self, c: int) -> None:
        super().__init__()

        def block(a: int, b: int) -> BasicBlock:
            shortcut = nn.Sequential(nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b))
            return BasicBlock(a, b, downsample=shortcut)

        def up(a: int, b: int) -> nn.Sequential:
            return nn.Sequential(nn.ConvTranspose2d(a, b, 2, 2), nn.BatchNorm2d(b), nn.ReLU())

        self.down1, self.down2 = block(c, 2 * c), block(2 * c, 4 * c)
        self.down3, self.down4 = block(4 * c, 8 * c), block(8 * c, 16 * c)
        self.up4, self.up3, self.up2 = up(16 * c, 8 * c), up(8 * c, 4 * c), up(4 * c, 2 * c)
        self.merge4, self.merge3 = block(16 * c, 8 * c), block(8 * c, 4 * c)
        self.merge2, self.merge1 = block(4 * c, 2 * c), block(2 * c, c)

    def forward(self, x: Tensor) -> Tensor:
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        three = self.down3(F.max_pool2d(two, 2))
        four = self.down4(F.max_pool2d(three, 2))
        y = self.merge4(torch.cat([self.up4(four), three], 1))
        y = self.merge3(torch.cat([self.up3(y), two], 1))
        y = self.merge1(self.merge2(torch.cat([self.up2(y), one], 1)))
        e = (y - y.amax(1, keepdim=True)).exp()
        return e / e.sum(1, keepdim=True)


def randomise(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.data.uniform_(0.5, 1.5)


def pair() -> tuple[Mask, NaiveMask]:
    torch.manual_seed(0)
    ours, naive = Mask(4, depth=4), NaiveMask(4)
    randomise(ours)
    theirs = naive.state_dict()
    assert [t.shape for t in ours.state_dict().values()] == [t.shape for t in theirs.values()]
    naive.load_state_dict(dict(zip(theirs, ours.state_dict().values(), strict=True)))
    return ours.double().eval(), naive.double().eval()


@torch.no_grad()
def test_mask_and_masked_stage_are_the_naive_ones() -> None:
    ours, naive = pair()
    x = torch.rand(2, 4, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(ours(x), naive(x), rtol=1e-10, atol=1e-12)
    stage = nn.Conv2d(4, 4, 3, padding=1).double()
    response = stage(x)
    expected = response + response * naive(response)
    torch.testing.assert_close(MaskedStage(stage, ours)(x), expected, rtol=1e-10, atol=1e-12)
    assert (naive(response) - 0.25).abs().max() > 0.01  # a mask that is not flat


@pytest.mark.parametrize("depth", DEPTHS)
@torch.no_grad()
def test_mask_sums_to_one_over_the_channels_at_odd_sizes_too(depth: int) -> None:
    torch.manual_seed(0)
    mask = Mask(4, depth).eval()
    randomise(mask)
    for side in (8, 9, 11, 18):
        m = mask(torch.rand(2, 4, side, side))
        assert m.shape == (2, 4, side, side)
        torch.testing.assert_close(m.sum(1), torch.ones(2, side, side))
        assert m.min() > 0


@torch.no_grad()
def test_depth_two_repeats_the_last_row_and_column_of_an_odd_map() -> None:
    torch.manual_seed(0)
    mask = Mask(2, depth=2).double().eval()
    randomise(mask)
    x = torch.rand(1, 2, 5, 5, dtype=torch.float64)
    skip = mask.down[0](x)
    small = mask.upsample[0](mask.down[1](F.max_pool2d(skip, 2)))
    index = torch.tensor([0, 1, 2, 3, 3])
    extended = small[:, :, index][:, :, :, index]
    expected = mask.up[1](mask.up[0](torch.cat([extended, skip], 1))).softmax(1)
    torch.testing.assert_close(mask(x), expected, rtol=1e-10, atol=1e-12)


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


class Everything(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


@torch.no_grad()
def test_a_mask_of_zero_leaves_the_plain_resnet34_and_of_one_doubles_each_stage() -> None:
    torch.manual_seed(0)
    plain = resnet("resnet34").eval()
    randomise(plain)
    small = (1, 1, 1, 1)  # masks that are replaced at once need no width
    faces = torch.rand(2, 1, 48, 48)
    net = with_masking(plain, small)
    for stage in net.stages:
        stage.mask = Nothing()
    assert torch.equal(net(faces), plain(faces))
    for stage in net.stages:
        stage.mask = Everything()
    x = plain.stem(faces)
    for stage in plain.stages:
        x = 2 * stage(x)
    assert torch.equal(net(faces), x)


@pytest.mark.slow
@torch.no_grad()
def test_36_and_40_pixel_faces_give_finite_maps() -> None:
    torch.manual_seed(0)
    net = build_backbone("resmasking").eval()
    for side, end in ((36, 3), (40, 3), (48, 3)):
        out = net(torch.rand(1, 1, side, side))
        assert out.shape == (1, 512, end, end)
        assert torch.isfinite(out).all()
