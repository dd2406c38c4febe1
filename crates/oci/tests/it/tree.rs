//! Folders as content: there and back, and what is refused.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
};

use windlass_kinds::{
    Digest,
    record::{Tree, TreeFile},
};
use windlass_oci::{
    BlobStore, FolderStore, MemoryStore, TreeError, TreeLimits, checkout, put_bytes, put_single, put_tree, read_tree,
    tree_if_any,
};

fn lay(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.files.iter().map(|file| file.path.as_str()).collect()
}

#[tokio::test]
async fn there_and_back() {
    let stores = tempfile::tempdir().unwrap();
    let (memory, folder) = (MemoryStore::new(), FolderStore::open(stores.path()).unwrap());
    let mut digests = Vec::new();
    for store in [&memory as &dyn BlobStore, &folder] {
        let from = tempfile::tempdir().unwrap();
        lay(from.path(), &[("a.txt", "A"), ("a/b.txt", "B"), ("a/c/run.sh", "#!/bin/sh"), (".hidden", "")]);
        fs::create_dir(from.path().join("empty")).unwrap();
        fs::set_permissions(from.path().join("a/c/run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
        symlink("a/b.txt", from.path().join("link.txt")).unwrap();
        symlink("c", from.path().join("a/again")).unwrap();

        let (tree, digest) = put_tree(store, from.path(), &TreeLimits::default()).await.unwrap();
        assert_eq!(paths(&tree), [".hidden", "a.txt", "a/again/run.sh", "a/b.txt", "a/c/run.sh", "link.txt"]);
        assert_eq!(digest, tree.digest());
        assert_eq!(read_tree(store, &digest).await.unwrap(), tree);

        let into = tempfile::tempdir().unwrap();
        let target = into.path().join("deep/er");
        checkout(store, &digest, &target).await.unwrap();
        assert_eq!(fs::read_to_string(target.join("a/b.txt")).unwrap(), "B");
        assert_eq!(fs::read_to_string(target.join("link.txt")).unwrap(), "B");
        let mode = |path: &str| fs::metadata(target.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a/c/run.sh") & 0o111 != 0, mode("a.txt") & 0o111 != 0), (true, false));
        fs::write(target.join("a.txt"), "may be written").unwrap();
        // The same folder again is the same content.
        lay(&target, &[("a.txt", "A")]);
        assert_eq!(put_tree(store, &target, &TreeLimits::default()).await.unwrap().1, digest);
        digests.push(digest);
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn one_file_keeps_its_name() {
    let store = MemoryStore::new();
    let from = tempfile::tempdir().unwrap();
    lay(from.path(), &[("model", "weights")]);
    let (tree, digest) = put_single(&store, &from.path().join("model")).await.unwrap();
    assert_eq!((paths(&tree), tree.size()), (vec!["model"], 7));
    let into = tempfile::tempdir().unwrap();
    checkout(&store, &digest, into.path()).await.unwrap();
    assert_eq!(fs::read_to_string(into.path().join("model")).unwrap(), "weights");
    // Nothing is overwritten.
    assert!(checkout(&store, &digest, into.path()).await.is_err());
    assert!(put_single(&store, from.path()).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_kept_is_named() {
    let store = MemoryStore::new();
    let limits = TreeLimits { files: 3, bytes: 100, depth: 3 };
    let outside = tempfile::tempdir().unwrap();
    lay(outside.path(), &[("secret", "s")]);
    type Lay<'a> = &'a dyn Fn(&Path);
    let cases: &[(Lay<'_>, &str)] = &[
        (&|folder| drop(UnixListener::bind(folder.join("a.sock")).unwrap()), "`a.sock` is a socket; only"),
        (
            &|folder| {
                fs::create_dir(folder.join("d")).unwrap();
                assert!(Command::new("mkfifo").arg(folder.join("d/pipe")).status().unwrap().success());
            },
            "`d/pipe` is a named pipe; only",
        ),
        (
            &|folder| symlink(outside.path().join("secret"), folder.join("out")).unwrap(),
            "`out` is a link out of its folder",
        ),
        (
            &|folder| symlink("../../../../../../etc", folder.join("etc")).unwrap(),
            "`etc` is a link out of its folder, to `../",
        ),
        (
            &|folder| symlink("nowhere", folder.join("broken")).unwrap(),
            "`broken` is a link to `nowhere`, which is not there",
        ),
        (&|folder| symlink(".", folder.join("self")).unwrap(), "`self` is a link to a folder around it"),
        (&|folder| symlink("loop", folder.join("loop")).unwrap(), "`loop` is a link to a folder around it"),
        (&|folder| lay(folder, &[("1", ""), ("2", ""), ("3", ""), ("4", "")]), "the folder has more than 3 files"),
        (&|folder| lay(folder, &[("1", &"x".repeat(101))]), "the folder has more than 100 bytes"),
        (&|folder| lay(folder, &[("1/2/3/4/5", "")]), "`1/2/3/4` lies more than 3 folders deep"),
    ];
    for (lay, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        lay(folder.path());
        let error = put_tree(&store, folder.path(), &limits).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn a_tree_from_elsewhere_cannot_lead_out() {
    let store = MemoryStore::new();
    let digest = put_bytes(&store, b"x").await.unwrap();
    let file = |path: &str| TreeFile { path: path.to_owned(), digest: digest.clone(), size: 1, executable: false };
    for names in [
        vec!["../x"],
        vec!["/etc/x"],
        vec!["a/../../x"],
        vec!["a//b"],
        vec!["a/."],
        vec![""],
        vec!["a\0b"],
        vec!["a", "a/b"],
        vec!["a", "a"],
    ] {
        let tree = Tree { files: names.iter().map(|name| file(name)).collect() };
        let tree = put_bytes(&store, &tree.to_bytes()).await.unwrap();
        let into = tempfile::tempdir().unwrap();
        let error = checkout(&store, &tree, &into.path().join("in")).await.unwrap_err();
        assert!(matches!(error, TreeError::Unsafe { .. }), "{names:?}: {error}");
        assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0, "{names:?}");
    }
    let into = tempfile::tempdir().unwrap();
    let not_a_tree = put_bytes(&store, b"[]").await.unwrap();
    assert!(checkout(&store, &not_a_tree, into.path()).await.is_err());
    let gone = Tree { files: vec![TreeFile { digest: Digest::sha256(b"gone"), ..file("a") }] };
    let gone = put_bytes(&store, &gone.to_bytes()).await.unwrap();
    assert!(checkout(&store, &gone, into.path()).await.is_err());
    // A link that somebody left is not followed.
    let planted = tempfile::tempdir().unwrap();
    symlink(into.path().join("target"), planted.path().join("a")).unwrap();
    let tree = put_bytes(&store, &Tree { files: vec![file("a")] }.to_bytes()).await.unwrap();
    assert!(checkout(&store, &tree, planted.path()).await.is_err());
    assert!(!into.path().join("target").exists());
}

#[tokio::test]
async fn a_tree_is_told_from_other_content() {
    let store = MemoryStore::new();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one.txt"), "one").unwrap();
    let (tree, digest) = put_tree(&store, folder.path(), &TreeLimits::default()).await.unwrap();
    assert_eq!(tree_if_any(&store, &digest).await.unwrap(), Some(tree));
    for (bytes, is_damaged) in [
        (&b""[..], false),
        (b"one", false),
        (b"{\"files\":", false),
        (b"{\"files\":[1]}", true),
        (b"{\"file\":[]}", false),
    ] {
        let digest = put_bytes(&store, bytes).await.unwrap();
        assert_eq!(tree_if_any(&store, &digest).await.map_err(|_| ()), if is_damaged { Err(()) } else { Ok(None) });
    }
    assert!(tree_if_any(&store, &Digest::sha256("missing")).await.is_err());
    // A folder of nothing is one too.
    let empty = tempfile::tempdir().unwrap();
    let (_, digest) = put_tree(&store, empty.path(), &TreeLimits::default()).await.unwrap();
    assert_eq!(tree_if_any(&store, &digest).await.unwrap().map(|tree| tree.files.len()), Some(0));
}
