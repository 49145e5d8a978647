"""How a fusion joins the embeddings, a file each; a new one is a file here and a line in JOINS. No torch.

Class(widths, width), `width`: for each modality (B, its width, its steps) and how many of a clip's steps are true, (B,)
-> (B, width). None pools each over time, a signal's by its maximum and a video's by its mean, and puts one after the
other.
"""

JOINS = {
    "concatenation": None,
    "attention": "models.joins.attention:Attention",
    "hierarchical-attention": "models.joins.hierarchical:Hierarchical",
    "guided-attention": "models.joins.guided:Guided",
}
