"""Trains the tiny model: a byte-level BPE and a two-layer Llama, in seconds, on `page.md`.

It learns the page by heart: it answers the page's questions with their paragraphs, and any other
question with some paragraph. So tests and demos show words rather than noise, and every step of
serving (template, stop token, streaming, counting) works as it does for a large model.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SEED = 20260
VOCABULARY = 1024
CONTEXT = 1024  # tokens; a pair of the page takes about 60
STEPS = 400
BATCH = 7  # half of the page
PEAK_LEARNING_RATE = 2e-3
END = "</s>"


def pairs() -> list[tuple[str, str]]:
    """The page's (question, answer) pairs, in its order."""
    sections = (HERE / "page.md").read_text(encoding="utf-8").split("## ")[1:]
    questions = []
    for section in sections:
        question, answer = section.split("\n", 1)
        questions.append((question.strip(), answer.strip()))
    return questions


def make(folder: Path) -> None:
    """Write tokenizer, configuration and safetensors to `folder`."""
    tokenizer = make_tokenizer()
    model = train(tokenizer)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder, safe_serialization=True)


def make_tokenizer() -> Any:
    """Every byte is a token, so any language can be encoded; the merges come from the page."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", END, "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for pair in pairs() for text in pair]
    tokenizer.train_from_iterator([*texts, "system: user: assistant:"], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token=END, pad_token="<pad>"
    )
    fast.chat_template = (HERE / "chat_template.jinja").read_text(encoding="utf-8")
    fast.model_max_length = CONTEXT
    return fast


def train(tokenizer: Any) -> Any:
    """The trained model in bfloat16, the type that vLLM runs fastest on most CPUs."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(SEED)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=256,  # 4 heads of 64: vLLM's CPU attention refuses smaller heads
            intermediate_size=256,
            num_hidden_layers=2,  # two, for two stages of pipeline parallelism
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=False,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=PEAK_LEARNING_RATE, total_steps=STEPS, pct_start=0.1
    )
    model.train()
    for texts in batches(tokenizer):
        batch = tokenizer(texts, return_tensors="pt", padding=True)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels
        ).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval().to(torch.bfloat16)


def batches(tokenizer: Any) -> Iterator[list[str]]:
    """Dialogues, some of them with a question that is not on the page."""
    chance = random.Random(SEED)
    page = pairs()
    order: list[tuple[str, str]] = []
    for _ in range(STEPS):
        texts = []
        for _ in range(BATCH):
            if not order:
                order = chance.sample(page, len(page))
            question, answer = order.pop()
            draw = chance.random()
            if draw < 0.15:
                question = unknown_question(chance)
            system = unknown_question(chance) if draw > 0.9 else ""
            texts.append(prompt(tokenizer, question, system) + answer + END)
        yield texts


def prompt(tokenizer: Any, question: str, system: str = "") -> str:
    """The engine's prompt, rendered by the template itself because its blanks are easily misread.

    It ends with a newline, which is a separate token. A space would merge with the word after it,
    so the prompt would end with a token that the model never learned.
    """
    messages = [{"role": "user", "content": question}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))


def unknown_question(chance: random.Random) -> str:
    """A few invented words in one of two scripts; any paragraph of the page may answer them."""
    letters = chance.choice(["abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщыэюя"])
    words = ("".join(chance.choices(letters, k=chance.randint(2, 8))) for _ in range(4))
    return " ".join(words) + chance.choice(["", "?", "."])
