//! What an image file is: its notes, segments and limits
#![no_std]
