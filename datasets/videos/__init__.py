"""Reading videos: which stream is the film, which frames are kept, when each is shown, and decoding them."""
