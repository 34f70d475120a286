//! Two stacks on a cable, in virtual time: what they do for each other, under loss and under attack.

mod attack;
mod dhcp;
mod direct;
mod families;
mod harness;
mod local;
mod scarcity;
mod script;
mod suite;
mod tcp;
mod udp;
