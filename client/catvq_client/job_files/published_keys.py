"""Tables that map the published layout's keys to settings of a job.

Keys that need a calculation are in `published_layout`; a key in neither is reported as unknown.
"""

from typing import Any

RENAMED = {
    "random_seed": "training.seed",
    "model.group_embedding_dim": "model.embedding_dim",
    "model.group_hidden_dim": "model.hidden_dim",
    "model.commitment_cost": "model.commitment_weight",
    "model.ema_decay": "model.decay",
    "model.decay": "model.decay",
    "model.dropout": "model.dropout",
    "model.orthogonality_weight": "model.codebook_orthogonality_weight",
    "model.informativeness_weight": "model.informativeness_weight",
    "training.num_epochs": "training.epochs",
    "training.num_categories_auto": "model.categories",
    "training.per_family_clustering": "assignment.per_family",
    "training.batch_size": "training.batch_size",
    "training.learning_rate": "training.learning_rate",
    "training.device": "training.device",
    "training.gradient_clip_norm": "training.gradient_clip_norm",
    "training.orthogonality_weight": "model.codebook_orthogonality_weight",
    "training.informativeness_weight": "model.informativeness_weight",
    "training.early_stopping_min_delta": "training.early_stopping_min_delta",
    "training.topo_weight": "model.topographic_weight",
    "training.topo_samples": "model.topographic_samples",
    "learnable_assignment.temperature_start": "assignment.temperature_start",
    "learnable_assignment.temperature_end": "assignment.temperature_end",
    "learnable_assignment.temperature_schedule": "assignment.temperature_schedule",
    "learnable_assignment.orthogonality_weight": "assignment.orthogonality_weight",
    "learnable_assignment.balance_weight": "assignment.balance_weight",
    "learnable_assignment.family_constraint_weight": "assignment.family_constraint_weight",
    "learnable_assignment.assignment_lr": "assignment.assignment_lr",
    "learnable_assignment.freeze_after_epochs": "assignment.freeze_after_epochs",
    "category_assignment_config.per_family": "assignment.per_family",
    "category_assignment_config.per_family_clustering": "assignment.per_family",
    "feature_cleaning.enabled": "cleaning.enabled",
    "feature_cleaning.variance_threshold": "cleaning.variance_threshold",
    "feature_cleaning.correlation_threshold": "cleaning.correlation_threshold",
    "feature_cleaning.deduplicate_threshold": "cleaning.correlation_threshold",
}

# Null switches these off; for other keys null means the default.
NULLABLE = frozenset({"training.gradient_clip_norm", "assignment.freeze_after_epochs"})

CHOICES: dict[str, tuple[str, dict[Any, str]]] = {
    "model.use_ema": ("model.codebook_update", {True: "ema", False: "gradient"}),
    "training.category_assignment": ("assignment.mode", {"learnable": "learnable", "auto": "static"}),
    "learnable_assignment.init_method": ("assignment.init", {"clustering": "clustering", "random": "random"}),
    "feature_cleaning.nan_strategy": (
        "cleaning.missing",
        {"median": "median", "mean": "mean", "zero": "zero"},
    ),
}

METRICS = "the service keeps the metrics of every epoch: `catvq metrics`"
# Keys with only one supported value: what the service always does.
FIXED: dict[str, tuple[Any, str]] = {
    "model.uniform_codebook_init": (
        False,
        "codebook sizes follow each category; model.codebook_size makes them equal",
    ),
    "training.normalize_mse": (True, "the reconstruction error is always relative to a feature's variance"),
    "training.use_torch_compile": (False, "the worker chooses how it runs the model"),
    "training.optimizer": ("adam", "the optimiser is always of the family of Adam"),
    "training.scheduler": (None, "the learning rate is the recipe's own"),
    "training.warmup_epochs": (0, "the learning rate is the recipe's own"),
    "training.reconstruction_weight": (
        1.0,
        "the reconstruction always counts 1; other weights are beside it",
    ),
    "training.use_smart_reset": (False, "dead codes are revived in one way"),
    "logging.wandb": (False, METRICS),
    "training.val_every_n_epochs": (1, "every epoch is validated"),
    "feature_cleaning.pre_categorization": (True, "features are always cleaned before they are grouped"),
    "category_assignment_config.reassign_orphans": (True, "every feature always ends in a category"),
}

SPLITS = "categories are found in another way, which splits none"
CLUSTERING = "the service's own clustering finds where the assignment starts"
WEIGHTS = "the loss has other parts; see model.*_weight in the API's names"
REFUSED = {
    "checkpoint_dir": "checkpoints are kept in the service's data directory",
    "output_dir": "checkpoints are kept in the service's data directory; --output writes the model's files",
    "training.checkpoint_dir": "checkpoints are kept in the service's data directory",
    "training.save_every": "checkpoints: training.checkpoint_every_epochs in the API's names",
    "training.dead_code_threshold": "codes that are not used are dead",
    "training.dead_code_max_reset_fraction": "all dead codes are revived",
    "training.vq_weight": WEIGHTS,
    "training.entropy_weight": WEIGHTS,
    "training.category_reconstruction_weight": WEIGHTS,
    "training.orthogonality_target": SPLITS,
    "training.min_features_per_category": SPLITS,
    "training.max_clusters": SPLITS,
    "category_assignment_config.split_mega_categories": SPLITS,
    "category_assignment_config.max_category_size": SPLITS,
    "model.auto_compression_strategy": "the width of a level follows the number of a category's features",
    "feature_cleaning.use_intelligent_dedup": "of duplicates the first is kept",
    "category_assignment_config.method": CLUSTERING,
    "category_assignment_config.device": CLUSTERING,
    "category_assignment_config.linkage_method": CLUSTERING,
    "category_assignment_config.distance_metric": CLUSTERING,
    "category_assignment_config.k_selection_method": CLUSTERING,
    "category_assignment_config.subsample_excess_fraction": CLUSTERING,
    "logging.log_interval": METRICS,
    "logging.eval_interval": METRICS,
    "hdf5_chunk_size": "files are read as a whole",
    "encode_chunk_size": "rows are encoded in parts that the service chooses",
}
UNKNOWN = "unknown setting"
ENCODER = "tables are learnt from as they are, series and fields by descriptors that are the same for all"
