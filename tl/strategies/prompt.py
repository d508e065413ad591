"""Prompt tuning: learned embeddings in front of the input (arXiv 2104.08691)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from tl.backbones.base import Backbone
from tl.options import option
from tl.strategies.base import TransferAdaptor


@dataclass(frozen=True)
class Options:
    """Virtual tokens."""

    default_lr: ClassVar[float] = 3e-2
    length: int = option(40, "p, number of virtual tokens", interval="[1, inf)")
    init: Literal["random", "vocabulary", "text", "labels"] = option(
        "vocabulary",
        "their values at the start (§3.2): random in [-0.5, 0.5]; embeddings of words drawn from "
        "the vocabulary, of --strategy.text, or of the classes' names",
    )
    text: str = option("", "for --strategy.init text; repeated or cut to the length")


class PromptTuning(TransferAdaptor):
    """Only p vectors learn, p·e parameters: Pr(Y | [P; X]) with everything else frozen (§2).

    They stand before the first token of a text, at whatever side it is padded, and before the
    encoder's input of an encoder-decoder; what the network says at their positions is dropped, so
    that heads and labels see the text alone. Where words are drawn, any row of the embeddings may
    come; the paper draws from the 5,000 most frequent words.

    Default rate 3e-2: chosen on the validation split of emotion for MiniLM. The paper used 0.3 with
    Adafactor, which scales a rate by the size of the parameters (§3, T5).
    """

    Options = Options

    @property
    def n_virtual(self) -> int:
        return self.options.length

    def check(self, backbone: Backbone) -> None:
        if (self.options.init == "text") != bool(self.options.text.strip()):
            raise ValueError(
                "--strategy.init text needs --strategy.text with at least one word, and no other "
                "start takes one"
            )

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(False)
        # In a tuple: the embeddings belong to the backbone, the strategy only looks things up.
        self._embedding = (backbone.embedding,)
        self.prompt = nn.Parameter(torch.empty(self.n_virtual, backbone.embedding_width))
        nn.init.uniform_(self.prompt, -0.5, 0.5)

    @torch.no_grad()
    def start(self, encode: Callable[[str], list[int]], labels: list[str]) -> None:
        if self.options.init == "random":
            return
        rows = self._start_rows(encode, labels)
        self.prompt.copy_(rows[: self.n_virtual])

    def _start_rows(self, encode: Callable[[str], list[int]], labels: list[str]) -> Tensor:
        """At least p rows of embeddings, [·, e]."""
        embed = self._embedding[0]
        n_ids = embed.weight.shape[0]
        drawn = torch.randint(n_ids, (self.n_virtual,))
        if self.options.init == "text":
            ids = encode(self.options.text)
            if not ids:
                raise ValueError(
                    f"--strategy.text {self.options.text!r}: the tokenizer finds no word in it"
                )
            return embed(torch.tensor(ids * self.n_virtual))
        if self.options.init == "labels":
            # A name of several pieces becomes their mean; what names do not fill, drawn words do.
            named = [encode(label) for label in labels]
            means = [embed(torch.tensor(ids)).mean(dim=0) for ids in named if ids]
            return torch.cat([*(mean.unsqueeze(0) for mean in means), embed(drawn)])
        return embed(drawn)

    def before(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        embedded = self._embedding[0](inputs["input_ids"])  # [b, t, e]
        prompt = self.prompt.to(embedded.dtype).expand(len(embedded), -1, -1)
        longer = {name: x for name, x in inputs.items() if name != "input_ids"}
        longer["inputs_embeds"] = torch.cat([prompt, embedded], dim=1)
        for name, filler in (("attention_mask", 1), ("token_type_ids", 0)):
            if name in inputs:
                front = inputs[name].new_full((len(embedded), self.n_virtual), filler)
                longer[name] = torch.cat([front, inputs[name]], dim=1)
        return longer

    def check_merge(self) -> None:
        raise ValueError("a prompt is an input, not a weight")
