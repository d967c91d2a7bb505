//! A VFS for SQLite that wraps the one of the operating system and observes file changes.
//!
//! It becomes the default VFS of this process, so that the engine and the connections of user code use it unknowingly.
//! Files in directories that are not watched are opened by the real VFS directly.
//!
//! Only the methods that change files are replaced: opening, writing, truncating, syncing and deleting. All others are
//! forwarded, including shared memory, which does not survive a power failure anyway.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rusqlite::ffi::{
    self, SQLITE_OK, SQLITE_OPEN_CREATE, SQLITE_OPEN_MAIN_JOURNAL, SQLITE_OPEN_WAL, sqlite3_file,
    sqlite3_int64, sqlite3_io_methods, sqlite3_vfs,
};

use super::watch::{self, Change, Watched};

/// A watched file in memory reserved by SQLite. The real VFS's file follows immediately.
#[repr(C)]
struct File {
    base: sqlite3_file,
    real: *mut sqlite3_file,
    watched: *mut WatchedFile,
}

struct WatchedFile {
    folder: Arc<Watched>,
    name: String,
    /// At the first sync of a log or journal that opening it may have created, SQLite also syncs the directory
    /// (`UNIXFILE_DIRSYNC` in `os_unix.c`).
    syncs_folder: AtomicBool,
}

struct Registered {
    real: *mut sqlite3_vfs,
}

// SAFETY: The pointer refers to SQLite's own VFS, which lives as long as the process and is only read.
unsafe impl Send for Registered {}
// SAFETY: As above.
unsafe impl Sync for Registered {}

static REGISTERED: OnceLock<Registered> = OnceLock::new();

const NAME: &CStr = c"watched";

/// Makes SQLite use this VFS for all files that are opened from now on. Repeated calls have no effect.
pub(super) fn register() {
    REGISTERED.get_or_init(|| {
        // SAFETY: The default VFS exists, and the copy consists of function pointers and numbers. The copy lives as
        // long as the process.
        unsafe {
            let real = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!real.is_null(), "BUG: SQLite has a file system");
            let mut vfs = *real;
            let own = c_int::try_from(size_of::<File>()).expect("BUG: it is small");
            vfs.szOsFile += own;
            vfs.pNext = ptr::null_mut();
            vfs.zName = NAME.as_ptr();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            let vfs = Box::leak(Box::new(vfs));
            assert_eq!(ffi::sqlite3_vfs_register(vfs, 1), SQLITE_OK, "BUG: it registers");
            Registered { real }
        }
    });
}

fn real_vfs() -> *mut sqlite3_vfs {
    REGISTERED.get().expect("BUG: it is called because it is registered").real
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};

/// Calls a method of the real VFS's file.
macro_rules! real {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = (*$file.cast::<File>()).real;
        let methods = &*(*real).pMethods;
        (methods.$method.expect("BUG: the real file has all methods"))(real $(, $argument)*)
    }};
}

unsafe fn path_of<'a>(name: *const c_char) -> Option<&'a Path> {
    // SAFETY: SQLite passes a zero-terminated string, or null for a temporary file.
    unsafe {
        name.as_ref().map(|name| Path::new(OsStr::from_bytes(CStr::from_ptr(name).to_bytes())))
    }
}

unsafe extern "C" fn open(
    _vfs: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let real_vfs = real_vfs();
    // SAFETY: `file` has room for this and for the real file behind it, as `szOsFile` requires.
    unsafe {
        let open_real = (*real_vfs).xOpen.expect("BUG: files can be opened");
        let watched = path_of(name).and_then(|path| watch::find(path).map(|found| (path, found)));
        let Some((path, folder)) = watched else {
            return open_real(real_vfs, name, file, flags, out_flags);
        };
        let own = file.cast::<File>();
        (*own).base.pMethods = ptr::null();
        let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_new = flags & SQLITE_OPEN_CREATE != 0 && !path.exists();
        if is_new && let Err(code) = folder.allow(&Change::Create, &label) {
            return code;
        }
        let real = own.add(1).cast::<sqlite3_file>();
        let opened = open_real(real_vfs, name, real, flags, out_flags);
        if opened != SQLITE_OK {
            return opened;
        }
        if is_new {
            folder.note(Change::Create, &label);
        }
        let is_journal = flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL) != 0;
        let syncs_folder = flags & SQLITE_OPEN_CREATE != 0 && is_journal;
        (*own).real = real;
        (*own).watched = Box::into_raw(Box::new(WatchedFile {
            folder,
            name: label,
            syncs_folder: syncs_folder.into(),
        }));
        (*own).base.pMethods = &raw const METHODS;
    }
    SQLITE_OK
}

unsafe extern "C" fn delete(_vfs: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let real_vfs = real_vfs();
    // SAFETY: The arguments are forwarded unchanged.
    unsafe {
        let delete_real = (*real_vfs).xDelete.expect("BUG: files can be deleted");
        let watched = path_of(name).and_then(|path| watch::find(path).map(|found| (path, found)));
        let Some((path, folder)) = watched else { return delete_real(real_vfs, name, sync) };
        let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let deleted = delete_real(real_vfs, name, sync);
        if deleted == SQLITE_OK {
            folder.note(Change::Delete, &label);
            if sync != 0 {
                folder.note(Change::SyncFolder, &label);
            }
        }
        deleted
    }
}

unsafe fn watched<'a>(file: *mut sqlite3_file) -> &'a WatchedFile {
    // SAFETY: SQLite calls these methods only on files that `open` has initialized and `close` has not closed.
    unsafe { &*(*file.cast::<File>()).watched }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: This is the last call on the file. The box made by `open` is taken back once.
    unsafe {
        let own = file.cast::<File>();
        drop(Box::from_raw((*own).watched));
        let methods = &*(*(*own).real).pMethods;
        (methods.xClose.expect("BUG: files can be closed"))((*own).real)
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes this many bytes, which live until this function returns.
    let (watched, content) = unsafe {
        let length = usize::try_from(amount).expect("BUG: a length");
        (watched(file), std::slice::from_raw_parts(bytes.cast::<u8>(), length))
    };
    let offset_in_file = u64::try_from(offset).expect("BUG: an offset");
    let change = Change::Write { offset: offset_in_file, bytes: content.to_vec() };
    if let Err(code) = watched.folder.allow(&change, &watched.name) {
        return code;
    }
    // SAFETY: The arguments are forwarded unchanged.
    let done = unsafe { real!(file, xWrite, bytes, amount, offset) };
    if done == SQLITE_OK {
        watched.folder.note(change, &watched.name);
    }
    done
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: The file is open.
    let watched = unsafe { watched(file) };
    let change = Change::Truncate { size: u64::try_from(size).expect("BUG: a size") };
    if let Err(code) = watched.folder.allow(&change, &watched.name) {
        return code;
    }
    // SAFETY: The arguments are forwarded unchanged.
    let done = unsafe { real!(file, xTruncate, size) };
    if done == SQLITE_OK {
        watched.folder.note(change, &watched.name);
    }
    done
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: The file is open.
    let watched = unsafe { watched(file) };
    if let Err(code) = watched.folder.allow(&Change::Sync, &watched.name) {
        return code;
    }
    // SAFETY: The arguments are forwarded unchanged.
    let done = unsafe { real!(file, xSync, flags) };
    if done == SQLITE_OK {
        watched.folder.note(Change::Sync, &watched.name);
        if watched.syncs_folder.swap(false, Ordering::Relaxed) {
            watched.folder.note(Change::SyncFolder, &watched.name);
        }
    }
    done
}

/// Defines methods that are forwarded unchanged.
macro_rules! handed_on {
    ($($name:ident = $method:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $type)*) $(-> $result)? {
            // SAFETY: The file is open, and the arguments are forwarded unchanged.
            unsafe { real!(file, $method $(, $argument)*) }
        }
    )*};
}

handed_on! {
    read = xRead(to: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int;
    file_size = xFileSize(size: *mut sqlite3_int64) -> c_int;
    lock = xLock(level: c_int) -> c_int;
    unlock = xUnlock(level: c_int) -> c_int;
    check_reserved_lock = xCheckReservedLock(is_held: *mut c_int) -> c_int;
    file_control = xFileControl(operation: c_int, argument: *mut c_void) -> c_int;
    sector_size = xSectorSize() -> c_int;
    device_characteristics = xDeviceCharacteristics() -> c_int;
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, at: *mut *mut c_void) -> c_int;
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    shm_barrier = xShmBarrier();
    shm_unmap = xShmUnmap(delete: c_int) -> c_int;
    fetch = xFetch(offset: sqlite3_int64, amount: c_int, at: *mut *mut c_void) -> c_int;
    unfetch = xUnfetch(offset: sqlite3_int64, at: *mut c_void) -> c_int;
}
