"""Which facial features does an emotion classifier need, and does leaving some behind help?"""
