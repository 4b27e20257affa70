"""How much of a card's memory PyTorch sees, and with it vLLM: less than nvidia-smi shows.

The driver keeps a part for itself, and more of it since its kernel modules are open. vLLM's
`gpu_memory_utilization` is a fraction of what is left (torch.cuda.mem_get_info). The figures are
those of error messages and logs in public issue trackers, the lowest that was found for each card.
"""

import re
from dataclasses import dataclass

UNKNOWN_SHARE = 0.96
"""The share that counts for a card that is not listed. The largest loss in the list is 3.9 percent
(RTX A2000: 11.53 of 11.99 GiB)."""
_GITHUB = "https://github.com/"
_VARIANTS = frozenset({"TI", "SUPER", "ADA", "PRO", "NVL", "LAPTOP", "MOBILE", "MAX", "D", "MIG"})
"""Words that make another card of the same number."""


@dataclass(frozen=True)
class Card:
    """`words` are the parts of a name that identify the card. `advertised` and `visible` are in
    GiB; `source` is the issue that shows `visible`."""

    words: frozenset[str]
    advertised: float
    visible: float
    source: str


def _card(name: str, advertised: float, visible: float, issue: str) -> Card:
    return Card(frozenset(name.split()), advertised, visible, _GITHUB + issue)


CARDS = (
    _card("3060", 12, 11.75, "Kunhao-Liu/StyleGaussian/issues/12"),
    _card("3090", 24, 23.56, "wtdcode/vllm-backport/issues/34"),
    _card("4060", 8, 7.75, "ESRSchao/EdgeRegNet/issues/2"),
    _card("4090", 24, 23.52, "Soul-AILab/SoulX-FlashTalk/issues/5"),
    _card("5060 TI", 16, 15.45, "Luce-Org/lucebox/issues/407"),
    _card("5080", 16, 15.48, "vllm-project/vllm/issues/14452"),
    _card("5090", 32, 31.36, "TrajectoryCrafter/TrajectoryCrafter/issues/20"),
    _card("6000 ADA", 48, 44.43, "DINGYANB/MTVCrafter/issues/21"),
    _card("PRO 6000", 96, 94.97, "antirez/ds4/issues/431"),
    _card("A10", 24, 21.99, "zai-org/CogVLM/issues/236"),
    _card("A100", 40, 39.5, "TianheWu/CoSeR/issues/10"),
    _card("A100", 80, 79.14, "lianqi1008/Control-GIC/issues/6"),
    _card("A2000", 12, 11.53, "vllm-project/vllm/issues/12030"),
    _card("A30", 24, 23.53, "google/RB-Modulation/issues/5"),
    _card("A4000", 16, 15.61, "DengKaiCQ/VGGT-Long/issues/6"),
    _card("H100", 80, 79.11, "vllm-project/vllm/issues/27508"),
    _card("H100 NVL", 94, 93.0, "ali-vilab/VACE/issues/56"),
    _card("L40", 48, 44.4, "QwenLM/Qwen3-VL/issues/2097"),
    _card("L40S", 48, 44.42, "stepfun-ai/Step-Video-T2V/issues/8"),
    _card("T4", 16, 14.56, "Zheng-Chong/CatVTON/issues/133"),
    _card("V100", 32, 31.74, "liucongg/ChatGLM-Finetuning/issues/73"),
)


def visible_gib(model: str, memory_gib: float) -> float:
    """GiB that PyTorch sees on a card of that name and nominal memory.

    `memory_gib` may be the advertised size or what nvidia-smi shows. Another size than a listed
    card has, such as a MIG slice, is treated like an unknown card.
    """
    words = frozenset(re.findall(r"[A-Z0-9]+", model.upper()))
    fitting = [
        card.visible
        for card in CARDS
        if card.words <= words
        and not (words & _VARIANTS) - card.words
        and card.visible <= memory_gib <= card.advertised
    ]
    return min(fitting, default=memory_gib * UNKNOWN_SHARE)
