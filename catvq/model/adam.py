"""Adam, bit for bit as torch's, without the compiler that its optimisers load: two seconds, 75 MB a process.

Source: Kingma and Ba 2015, arXiv:1412.6980.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """Moves parameters by their gradients.

    Args:
        parameters: All of one type and on one device; those without a gradient stay.
        learning_rate: May be set before every step.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.state: dict[int, dict[str, Tensor]] = {}  # of each parameter that has moved

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        gradients = {i: p.grad for i, p in enumerate(self.parameters) if p.grad is not None}
        if not gradients:
            return
        for index in gradients.keys() - self.state.keys():
            parameter = self.parameters[index]
            self.state[index] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        steps = [self.state[index]["step"] for index in gradients]
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            [self.parameters[index] for index in gradients],
            list(gradients.values()),
            [self.state[index]["exp_avg"] for index in gradients],
            [self.state[index]["exp_avg_sq"] for index in gradients],
            [],
            steps,
            lr=self.learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """What a resumed optimiser needs, named `prefix.<parameter>.<entry>`."""
        return {
            f"{prefix}.{index}.{name}": value
            for index, entries in self.state.items()
            for name, value in entries.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave, with the prefix removed; the rate stays."""
        self.state = {}
        for name, value in tensors.items():
            index, entry = name.split(".", 1)
            parameter = self.parameters[int(index)]
            self.state.setdefault(int(index), {})[entry] = value.to(parameter.device, copy=True)
