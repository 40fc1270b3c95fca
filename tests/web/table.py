"""What the tests of the page upload and ask for."""

# Names as somebody hostile would choose them; one that ran would show itself by a dialog or an error.
SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(2)>"
FEATURES = [SCRIPT, IMAGE, "c_3", "d_4", '"><svg onload=alert(5)>', "f_6"]
SMALL = {
    "model": {"categories": 2, "levels": 2, "codebook_size": 8, "embedding_dim": 8, "hidden_dim": 16},
    "report": {"baselines": False},
}
