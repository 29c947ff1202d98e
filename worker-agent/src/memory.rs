//! Giving back what only the start needed: a worker is small for the weeks it runs, not just in the mean.

use std::ffi::{c_int, c_void};

/// Parsing the command line, the first key exchange and the like touch far more code, and leave more holes in the
/// heap, than what goes on for ever after. Both halves of a worker call this when they have settled.
pub fn give_back() {
    // SAFETY: neither call changes what any address means: freed memory leaves the heap, and untouched pages of
    // the program's own file are mapped again when they are next used.
    unsafe {
        #[cfg(target_env = "gnu")]
        libc::malloc_trim(0);
        libc::dl_iterate_phdr(Some(unmap_code), std::ptr::null_mut());
    }
}

/// For the program and each of its libraries: lets go of the pages that can be had from the file again.
///
/// # Safety
/// To be called by `dl_iterate_phdr`.
unsafe extern "C" fn unmap_code(info: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: the loader hands out what it has loaded itself.
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    let page = rustix::param::page_size();
    for header in headers {
        // What may be written, or was by the loader, exists nowhere else.
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let first = base as usize + header.p_vaddr as usize;
        let (begin, end) = (first / page * page, first + header.p_filesz as usize);
        // SAFETY: a mapping of a file that nobody writes to. Where the kernel refuses, nothing happens.
        unsafe { libc::madvise(begin as *mut c_void, end - begin, libc::MADV_DONTNEED) };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident() -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn less_is_resident_afterwards_and_everything_still_works() {
        let before = resident();
        give_back();
        assert!(resident() < before);
        assert_eq!(format!("{:?}", vec![1.5, 2.5]), "[1.5, 2.5]");
    }
}
