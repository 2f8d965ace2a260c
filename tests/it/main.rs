mod operator;
mod rig;
