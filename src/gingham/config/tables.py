"""Every parameter, its default and one line of help: the one place.

``gingham init``, ``--help``, the parameters page of the docs and the studio's forms are made from these models.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from gingham.records import Fit, Views

__all__ = [
    "Collection",
    "Config",
    "Evaluation",
    "Features",
    "Preprocess",
    "Refinement",
    "Service",
    "Splits",
    "Svm",
    "Tracking",
    "Tuning",
]


def _split_commas(value: Any) -> Any:
    """Let ``"0.1,1,10"``, from a flag or the environment, stand for a list."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        return [part.strip() if isinstance(part, str) else part
                for item in value
                for part in (item.strip("[] ").split(",") if isinstance(item, str) else [item])
                if part != ""]  # fmt: skip
    return value


Numbers = Annotated[tuple[float, ...], BeforeValidator(_split_commas)]
Sizes = Annotated[tuple[int, ...], BeforeValidator(_split_commas)]
Words = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]


def _close_up(value: Any) -> Any:
    """Let ``"a + b"`` be the networks ``"a+b"``: one recipe has one name, in commands and in caches."""
    return "+".join(part.strip() for part in value.split("+")) if isinstance(value, str) else value


Network = Annotated[str, BeforeValidator(_close_up)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_split_commas)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Preprocess(_Table):
    """How an image becomes the network's square input."""

    fit: Fit = Field("crop", description="crop: the centre of the image; squash: the whole image, made square")
    max_pixels: int = Field(
        89_478_485,  # = gingham.images.MAX_PIXELS, a floor above
        ge=1,
        description="An image that claims more pixels is skipped as too_large before it is decoded",
    )


class Splits(_Table):
    """Which images train and which test."""

    test_fraction: float = Field(
        0.25, gt=0, lt=1, description="Share of each class that is kept for testing; the rest trains"
    )
    file: str = Field(
        "",
        description="CSV with the columns path,split (train, val, test); empty: splits.csv in the dataset, if any",
    )
    test_files: str = Field("", description="Text file that lists the test images, one path a line; all others train")
    group_by: Literal["", "folder", "regex", "csv"] = Field(
        "",
        description="What else keeps images on one side: folder (below the class), regex (on the path) or csv",
    )
    group_level: int = Field(1, ge=1, description="group_by = folder: how many folder levels below the class")
    group_regex: str = Field(
        "", description="group_by = regex: its first group, or the group named `group`, is the key"
    )
    group_csv: str = Field("", description="group_by = csv: a file with the columns path,group")
    near_duplicate_bits: int = Field(
        12,
        ge=0,
        le=64,
        description="Images whose 256-bit hashes differ in at most so many bits stay on one side",
    )


class Features(_Table):
    """The pretrained network, as a fixed featurizer."""

    backbone: Network = Field(
        "efficientnet_lite0",
        min_length=1,
        description="efficientnet_lite0, _lite1, _lite2, or any timm name; joined by +, several see more together",
    )
    backbone_weights: str = Field(
        "", description="A local weights file (.safetensors, .pth); empty: the backbone's own"
    )
    resolution: int = Field(224, ge=96, le=1024, multiple_of=32, description="Side of the network's input in pixels")
    views: Views = Field(
        "one",
        description="Features are averaged over the input, or it and its mirror image, or its corners and centre, ...",
    )
    engine: Literal["auto", "openvino", "torch", "onnxruntime"] = Field(
        "auto", description="What runs the network; auto: torch on a GPU, OpenVINO on a CPU"
    )
    precision: Literal["auto", "bf16", "f32"] = Field(
        "auto", description="auto: bf16 where the processor has it, else f32"
    )


class Svm(_Table):
    """The linear support vector machine on the features."""

    c_grid: Numbers = Field(
        (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0),
        min_length=1,
        description="Values of C to try; cross-validation inside the training set chooses",
    )
    folds: int = Field(5, ge=2, le=100, description="Folds of that cross-validation")
    class_weight: Literal["balanced", "none"] = Field(
        "balanced", description="balanced: a rare class weighs as much as a frequent one"
    )
    normalize: bool = Field(True, description="Scale each image's features to unit length")

    @field_validator("c_grid")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(c <= 0 for c in value):
            raise ValueError("every C must be greater than 0")
        return tuple(sorted(set(value)))


class Refinement(_Table):
    """The training of the network itself, for classifier = dnn and svm-refined."""

    depth: str = Field(
        "auto",
        description="What is trained; head: the last layer only; auto: all on a GPU, the last stages on a CPU",
        json_schema_extra={"allowed": "auto | head | last-N-stages, such as last-3-stages | all"},
    )
    epochs: int = Field(16, ge=1, le=10_000, description="Times that every training image is seen (the sample: 45)")
    trainings: int = Field(
        2, ge=1, le=100, description="Trainings from the same start whose weights are averaged; each is of `epochs`"
    )
    batch_size: int = Field(16, ge=1, le=4096, description="Images in one step; fewer need less memory")
    accumulate: int = Field(1, ge=1, le=1024, description="Batches whose gradients are added up before a step")
    max_images_per_epoch: int = Field(
        0, ge=0, description="At most so many training images in an epoch, drawn anew for each; 0: all"
    )
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="sgd: with Nesterov's momentum, as in the sample")
    learning_rate: float = Field(5e-4, gt=0, le=10, description="The largest of the schedule (the sample, sgd: 0.01)")
    schedule: Literal["one-cycle", "step", "constant"] = Field(
        "one-cycle",
        description="After the warm-up; one-cycle: down along a cosine; step: divided by 10 at each of `steps`",
    )
    warm_up: float = Field(0.2, ge=0, lt=1, description="Share of the training in which the learning rate rises")
    steps: Numbers = Field(
        (0.45, 0.9), description="schedule = step: at which shares of the training it falls (the sample: 20, 40 of 45)"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Of sgd; adamw's first one")
    weight_decay: float = Field(0.05, ge=0, lt=1, description="L2 penalty on the weights (the sample, sgd: 0.0005)")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="Each stage learns at this times the rate of the one after it; 1: all alike"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the features left out at random (the sample: 0.5)")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of certainty taken from each label")
    balance: Literal["none", "weights", "duplicate"] = Field(
        "none", description="weights: a rare class weighs as much as a frequent one; duplicate: it is seen as often"
    )
    start: Literal["linear", "random"] = Field(
        "linear", description="linear: the last layer starts from the linear solution on the untrained network"
    )
    augment: Literal["none", "light", "trivial"] = Field(
        "light",
        description="How each view of an image is varied; light: crop and colour; trivial: also one of 14 ways",
    )
    smallest_crop: float = Field(0.35, gt=0, le=1, description="Smallest share of an image that a view may show")
    flip: Literal["none", "horizontal", "vertical", "both"] = Field(
        "horizontal", description="Mirrored views; none where left and right mean something, as in writing"
    )
    mixup: float = Field(0.0, ge=0, le=10, description="Blends pairs of images by Beta(a, a); 0: off")
    cutmix: float = Field(0.0, ge=0, le=10, description="Pastes a part of one image into another, Beta(a, a); 0: off")
    ema: float = Field(0.99, ge=0, lt=1, description="The weights kept are a moving average with this decay; 0: off")
    freeze_norm: bool = Field(True, description="Batch norms keep the statistics of the pretrained network")
    views: int = Field(16, ge=1, le=1000, description="Different views of each image, shown in turn, one an epoch")
    cache_gb: float = Field(
        8.0, ge=0, description="Disk for what stands in front of the trained stages; beyond it, it is computed anew"
    )
    validation_fraction: float = Field(
        0.1, ge=0, lt=0.9, description="Share of the training images that only choose the epoch and calibrate"
    )
    patience: int = Field(0, ge=0, description="Stop after so many epochs without a better validation; 0: never")
    precision: Literal["auto", "bf16", "f16", "f32"] = Field(
        "auto", description="Of the products; auto: bf16 where the machine has it; f16: on a GPU only"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto: a GPU where torch can use one")
    compile: Literal["auto", "never", "always"] = Field(
        "auto", description="torch.compile; auto: on a GPU, where the training is long enough to pay for it"
    )

    @field_validator("depth")
    @classmethod
    def _known_depth(cls, value: str) -> str:
        if not re.fullmatch(r"auto|head|all|last-[1-9]\d*-stages?", value):
            raise ValueError("no such depth")
        return value

    @field_validator("steps")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in value):
            raise ValueError("every step must be above 0 and below 1")
        return tuple(sorted(set(value)))


class Tuning(_Table):
    """What `gingham tune` tries."""

    backbones: Networks = Field(
        ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"),
        min_length=1,
        description="Networks to compare; several joined by + count as one",
    )
    resolutions: Sizes = Field((224, 288, 320), min_length=1, description="Sides of the input to compare")
    views: Words = Field(
        ("one", "flip"), min_length=1, description="Views to compare; --quick takes the first (one, flip, crops, ...)"
    )
    classifiers: Words = Field(
        ("svm", "dnn"), min_length=1, description="Classifiers to compare; --quick compares with the svm only"
    )
    learning_rates: Numbers = Field(
        (1e-4, 2e-3), min_length=1, description="The smallest and the largest of refinement.learning_rate to try"
    )
    epochs: Sizes = Field((8, 16, 24), min_length=1, description="Values of refinement.epochs to try")
    minutes: float = Field(30.0, gt=0, le=100_000, description="Time to search in, that of earlier calls included")
    folds: int = Field(
        2, ge=1, le=100, description="Parts of the training images that a network is tested on in turn, at most"
    )

    @field_validator("backbones")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @field_validator("views")
    @classmethod
    def _known_views(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _all_among(value, get_args(Views))

    @field_validator("classifiers")
    @classmethod
    def _known_classifiers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _all_among(value, ("svm", "dnn"))

    @field_validator("resolutions")
    @classmethod
    def _possible(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [side for side in value if side % 32 or not 96 <= side <= 1024]:
            raise ValueError(f"{wrong[0]} is not divisible by 32, or not from 96 to 1024")
        return tuple(dict.fromkeys(value))

    @field_validator("epochs", "learning_rates")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(number <= 0 for number in value):
            raise ValueError("every one must be greater than 0")
        return tuple(sorted(set(value)))


def _all_among(value: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [word for word in value if word not in allowed]:
        raise ValueError(f"{wrong[0]} is none of {', '.join(allowed)}")
    return tuple(dict.fromkeys(value))


class Collection(_Table):
    """What `gingham collect` fetches from the web, and how."""

    contact: str = Field(
        "",
        description="An address or a page of yours, told to every server in the User-Agent; Wikimedia asks for one",
    )
    concurrency: int = Field(64, ge=1, le=1024, description="Downloads at once")
    per_host: int = Field(6, ge=1, le=1024, description="Of them from one server")
    timeout: float = Field(30.0, gt=0, le=3600, description="Seconds in which one download must be done, slow or not")
    retries: int = Field(2, ge=0, le=20, description="Further tries where the fault may pass, such as a busy server")
    max_wait: float = Field(
        60.0, ge=0, le=86_400, description="A server that asks for a longer pause than so many seconds is given up"
    )
    max_bytes: int = Field(32 * 2**20, ge=1, description="A larger file is too_large; reading stops there")
    max_pixels: int = Field(89_478_485, ge=1, description="An image that claims more pixels is too_large")
    min_side: int = Field(64, ge=1, description="An image with a shorter side of fewer pixels is too_small")
    max_side: int = Field(1000, ge=0, description="Images with a longer side are stored reduced to it; 0: as they are")
    noai: bool = Field(True, description="Respect servers that say noai or noimageai in X-Robots-Tag")
    allow_private: bool = Field(
        False, description="Also fetch from this machine and private networks; never with lists from strangers"
    )
    providers: Words = Field(
        ("openverse", "wikimedia"), min_length=1, description="Where to search; flickr wants a key in FLICKR_API_KEY"
    )
    mirrors: Words = Field(
        (),
        description="Other addresses of providers and datasets, such as wikimedia=https://wiki.example.org/w/api.php",
    )
    licence: Words = Field(
        (),
        description="Licences to take: cc0, pdm, by, by-sa, by-nc, by-nd, by-nc-sa, by-nc-nd; empty: any of them",
    )
    per_query: int = Field(50, ge=1, le=4000, description="Images to ask for with each query, from each provider")

    @field_validator("mirrors")
    @classmethod
    def _named_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [each for each in value if not re.fullmatch(r"[\w-]+=https?://\S+", each)]:
            raise ValueError(f"{wrong[0]} is not name=address, with http:// or https://")
        return value

    def mirror(self, name: str) -> str:
        """Return the other address of a provider or dataset; an empty string where it has none."""
        return dict(each.split("=", 1) for each in self.mirrors).get(name, "")


class Evaluation(_Table):
    """How the answer is measured and reported."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of every interval")
    bootstrap: int = Field(2000, ge=100, le=100_000, description="Resamplings behind the bootstrap intervals")
    wanted_precision: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="Predictions less sure than this precision needs are answered with 'not sure'",
    )
    report_images: int = Field(
        24, ge=0, le=200, description="Thumbnails of mistakes, and of unsure hits, in the report"
    )


class Tracking(_Table):
    """The mirror of the run history in MLflow."""

    uri: str = Field(
        "",
        description="MLflow tracking URI; sqlite:///FILE is in the project; empty: MLFLOW_TRACKING_URI, else no mirror",
    )
    experiment: str = Field("", description="MLflow experiment; empty: the name of the dataset")


class Service(_Table):
    """The REST service, `gingham serve`."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on; wider than this machine only with a token"
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one")
    token: str = Field(
        "", description="What clients must send as a bearer token; better as GINGHAM_SERVICE__TOKEN than as a flag"
    )
    hosts: Words = Field(
        (), description="Further names (with :port) by which clients may call it, such as photos.example.org:8000"
    )
    workers: int = Field(0, ge=0, le=256, description="Decoding processes; 0: one more than processors")
    queue: int = Field(64, ge=1, le=100_000, description="Images that may wait; more are answered 503, try again later")
    max_body: int = Field(32, ge=1, le=1024, description="Largest request, in MiB")
    max_images: int = Field(64, ge=1, le=10_000, description="Most images in one request")
    max_pixels: int = Field(89_478_485, ge=1, description="An image that claims more pixels is refused")
    read_timeout: float = Field(
        10.0, gt=0, le=3600, description="Seconds in which a request must arrive, and 1 more for each 10 kB of it"
    )
    decode_timeout: float = Field(10.0, gt=0, le=3600, description="Seconds that decoding an image may take")
    drain: float = Field(
        0.0, ge=0, le=3600, description="Seconds for which it goes on accepting, not ready, once told to stop"
    )
    grace: float = Field(25.0, gt=0, le=3600, description="Seconds in which it then finishes what it has begun")
    access_log: bool = Field(True, description="Write a JSON line to standard error for each request")
    precision: Literal["auto", "bf16", "f32"] = Field(
        "auto", description="What the network is computed in; auto: as in training, or f32 without a bf16 processor"
    )


class Config(_Table):
    """All parameters of a project."""

    dataset: str = Field(
        "images/sample", min_length=1, description="The folder that holds one sub-folder of images per class"
    )
    classifier: Literal["svm", "dnn", "svm-refined"] = Field(
        "svm", description="svm: fixed backbone + linear SVM; dnn: refined network; svm-refined: SVM on that network"
    )
    preset: Literal["none", "fast", "balanced", "accurate"] = Field(
        "none",
        description="Sets backbone, resolution and views of [features] to a measured recipe; dearer from left to right",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything that is drawn at random")
    executor: Literal["local"] = Field("local", description="Where the work is done; local: on this machine")
    preprocess: Preprocess = Field(default_factory=Preprocess, description=Preprocess.__doc__)
    splits: Splits = Field(default_factory=Splits, description=Splits.__doc__)
    features: Features = Field(default_factory=Features, description=Features.__doc__)
    svm: Svm = Field(default_factory=Svm, description=Svm.__doc__)
    refinement: Refinement = Field(default_factory=Refinement, description=Refinement.__doc__)
    tuning: Tuning = Field(default_factory=Tuning, description=Tuning.__doc__)
    collection: Collection = Field(default_factory=Collection, description=Collection.__doc__)
    evaluation: Evaluation = Field(default_factory=Evaluation, description=Evaluation.__doc__)
    service: Service = Field(default_factory=Service, description=Service.__doc__)
    tracking: Tracking = Field(default_factory=Tracking, description=Tracking.__doc__)
