"""PyTorch's side of `vs_pytorch`: answers one JSON request a line with the times of single steps.

{"model": "mlp", "what": "train", "tuned": false, "batch": 128, "threads": 2, "steps": 10} -> {"ms": [...], "peak_kb": ...}

what: "train" is forward, loss, backward and optimiser; "infer" is forward without gradients in evaluation mode.
tuned: channels_last, fused Adam, and the discriminator frozen in the generator's step: the bar above what people write.
"""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def stack(*layers):
    return nn.Sequential(*layers)


class Heads(nn.Module):
    """An encoder with two heads, and a decoder."""

    def __init__(self, body, width, latent, decoder):
        super().__init__()
        self.body, self.decoder = body, decoder
        self.mean, self.log_var = nn.Linear(width, latent), nn.Linear(width, latent)

    def forward(self, x):
        h = self.body(x)
        mean, log_var = self.mean(h), self.log_var(h)
        return self.decoder(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)), mean, log_var


class Last(nn.Module):
    """A recurrent net with a linear head on its last state."""

    def __init__(self, net, hidden):
        super().__init__()
        self.net, self.head = net, nn.Linear(hidden, 1)

    def forward(self, x):
        return self.head(self.net(x)[0][:, -1])


class Classifier(nn.Module):
    """A Transformer encoder on tokens; the first position is classified."""

    def __init__(self, steps, vocabulary=1000, width=128, heads=4, layers=2):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.randn(steps, width) * 0.02)
        block = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.1, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(block, layers), nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.encoder(self.tokens(x) + self.places)[:, 0])


def supervised(model, x, y, loss, make):
    optimiser = make(model.parameters())

    def step():
        optimiser.zero_grad()
        loss(model(x), y).backward()
        optimiser.step()

    return model, x, step


def vae(model, x, make):
    optimiser = make(model.parameters())

    def step():
        optimiser.zero_grad()
        logits, mean, log_var = model(x)
        bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()
        ((bce + kl) / len(x)).backward()
        optimiser.step()

    return model, x, step


def gan(g, d, x, make, freeze):
    for_g, for_d = make(g.parameters()), make(d.parameters())
    ones, zeros = torch.ones(len(x), 1), torch.zeros(len(x), 1)
    bce = F.binary_cross_entropy_with_logits

    def step():
        fake = g(torch.randn(len(x), 100))
        for_d.zero_grad()
        (bce(d(x), ones) + bce(d(fake.detach()), zeros)).backward()
        for_d.step()
        if freeze:
            d.requires_grad_(False)
        for_g.zero_grad()
        bce(d(fake), ones).backward()
        for_g.step()
        if freeze:
            d.requires_grad_(True)

    return g, torch.randn(len(x), 100), step


def generator(size, channels, up):
    return stack(
        nn.Linear(100, 256 * size * size, bias=False), nn.BatchNorm1d(256 * size * size), nn.LeakyReLU(0.3),
        nn.Unflatten(1, (256, size, size)),
        nn.ConvTranspose2d(256, 128, 5, 1, 2, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(128, 64, bias=False, **up), nn.BatchNorm2d(64), nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(64, channels, bias=False, **up), nn.Tanh(),
    )  # fmt: skip


K4 = {"kernel_size": 4, "stride": 2, "padding": 1}
K5 = {"kernel_size": 5, "stride": 2, "padding": 2, "output_padding": 1}


def dcgan28(up, batch, make, tuned):
    d = stack(
        nn.Conv2d(1, 64, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3),
        nn.Conv2d(64, 128, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3), nn.Flatten(), nn.Linear(6272, 1),
    )  # fmt: skip
    return gan(generator(7, 1, up), d, torch.rand(batch, 1, 28, 28) * 2 - 1, make, tuned)


def dcgan16(batch, make, tuned):
    d = stack(
        nn.Conv2d(3, 64, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3),
        nn.Conv2d(64, 128, 5, 2, 2), nn.LeakyReLU(0.3), nn.Flatten(), nn.Linear(2048, 1),
    )  # fmt: skip
    return gan(generator(4, 3, K4), d, torch.rand(batch, 3, 16, 16) * 2 - 1, make, tuned)


def conv_vae(batch, make):
    body = stack(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(50176, 128), nn.ReLU(),
    )  # fmt: skip
    decoder = stack(
        nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 3136), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 64, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 3, 1, 1),
    )  # fmt: skip
    return vae(Heads(body, 128, 32, decoder), torch.rand(batch, 1, 28, 28), make)


def recurrent(cell, hidden, layers, batch, steps, make):
    model = Last(cell(14, hidden, layers, batch_first=True), hidden)
    return supervised(model, torch.randn(batch, steps, 14), torch.randn(batch, 1), F.mse_loss, make)


def build(request, make):
    name, batch, tuned = request["model"], request["batch"], request["tuned"]
    width, steps = request.get("width", 0), request.get("length", 0)
    if name == "mlp":
        w = width or 512
        model = stack(nn.Linear(784, w), nn.ReLU(), nn.Linear(w, w // 2), nn.ReLU(), nn.Linear(w // 2, 784))
        x = torch.rand(batch, 784)
        return supervised(model, x, x, F.mse_loss, make)
    if name == "dense_vae":
        body = stack(nn.Linear(784, 400), nn.ReLU())
        decoder = stack(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
        return vae(Heads(body, 400, 20, decoder), torch.rand(batch, 784), make)
    if name == "conv_vae":
        return conv_vae(batch, make)
    if name in ("dcgan28_k4", "dcgan28_k5"):
        return dcgan28(K4 if name.endswith("k4") else K5, batch, make, tuned)
    if name == "dcgan16":
        return dcgan16(batch, make, tuned)
    if name == "lstm":
        return recurrent(nn.LSTM, 64, 1, batch, steps or 30, make)
    if name == "lstm_2x100":
        return recurrent(nn.LSTM, 100, 2, batch, steps or 30, make)
    if name == "gru":
        return recurrent(nn.GRU, 64, 1, batch, steps or 30, make)
    if name == "encoder":
        t = steps or 64
        x, y = torch.randint(0, 1000, (batch, t)), torch.randint(0, 2, (batch,))
        return supervised(Classifier(t), x, y, F.cross_entropy, make)
    raise SystemExit(f"no model named {name}")


def main():
    kept = {}
    for line in sys.stdin:
        request = json.loads(line)
        steps = request.pop("steps")
        torch.set_num_threads(request["threads"])
        key = json.dumps(request, sort_keys=True)
        if key not in kept:
            kept.clear()
            torch.manual_seed(0)
            tuned = request["tuned"]
            kind = torch.optim.AdamW if request["model"] == "encoder" else torch.optim.Adam
            rate = {"dcgan": 1e-4, "encoder": 2e-4}.get(request["model"][:7].rstrip("_"), 1e-3)
            rate = 1e-4 if request["model"].startswith("dcgan") else rate
            model, x, step = build(request, lambda p: kind(p, rate, fused=tuned))
            if tuned and x.dim() == 4:
                model.to(memory_format=torch.channels_last)
            if request["what"] == "infer":
                model.eval()

                def step():
                    with torch.inference_mode():
                        model(x)

            for _ in range(3):
                step()
            kept[key] = step
        step, ms = kept[key], []
        for _ in range(steps):
            start = time.perf_counter()
            step()
            ms.append((time.perf_counter() - start) * 1e3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"ms": ms, "peak_kb": peak, "version": torch.__version__}), flush=True)


main()
