"""Reading recordings of a depth camera: their millimetres, and the pictures of the person made of them."""
