//! System calls with typed arguments: from the registers of a call to the parameters of the function that answers it.

use crate::{call::Call, user::UserPointer};
use rumpkin_abi::Errno;

/// What a register is taken for.
pub trait Argument {
    /// From what the register holds. What does not fit is cut off, as C declares the call.
    fn from_register(value: u64) -> Self;
}

macro_rules! numbers {
    ($($kind:ty)*) => { $(
        impl Argument for $kind {
            #[inline]
            fn from_register(value: u64) -> Self {
                value as $kind
            }
        }
    )* };
}
numbers! { i32 u32 i64 u64 usize }

impl<T> Argument for UserPointer<T> {
    #[inline]
    fn from_register(value: u64) -> Self {
        UserPointer::new(value as usize)
    }
}

/// Null is none.
impl<T> Argument for Option<UserPointer<T>> {
    #[inline]
    fn from_register(value: u64) -> Self {
        (value != 0).then(|| UserPointer::new(value as usize))
    }
}

/// A function that answers a system call, with as many typed parameters as the call has arguments. `Arguments` is a tuple of them.
pub trait Answer<Arguments> {
    /// Answers a call with its registers' values.
    fn answer(self, call: &mut Call<'_>) -> Result<usize, Errno>;
}

macro_rules! answers {
    ($($name:ident $register:ident),*) => {
        impl<F, $($name: Argument),*> Answer<($($name,)*)> for F
        where
            F: FnOnce(&mut Call<'_>, $($name),*) -> Result<usize, Errno>,
        {
            #[inline(always)]
            fn answer(self, call: &mut Call<'_>) -> Result<usize, Errno> {
                $(let $register = $name::from_register(call.registers.$register);)*
                self(call, $($register),*)
            }
        }
    };
}
answers! {}
answers! { A rdi }
answers! { A rdi, B rsi }
answers! { A rdi, B rsi, C rdx }
answers! { A rdi, B rsi, C rdx, D r10 }
answers! { A rdi, B rsi, C rdx, D r10, E r8 }
answers! { A rdi, B rsi, C rdx, D r10, E r8, G r9 }
