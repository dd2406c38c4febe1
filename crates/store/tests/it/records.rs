//! Records: what goes in comes out, in the order promised.
