//! Baselines in commits, in every sort of repository that a runner may have.

use std::fs;
use std::path::Path;

use git2::{ObjectType, Oid, Repository, Signature, Time};

use super::super::{BaselineError, Loaded, Repo, Source, load};
use super::{PROJECT, manifest};
use crate::model::TargetName;

/// A repository in a directory of its own, written through the object database so that trees can be as bad as any.
struct World {
    dir: tempfile::TempDir,
    git: Repository,
}

const FILE: &str = "100644";
const LINK: &str = "120000";
const TREE: &str = "40000";
const SUBMODULE: &str = "160000";

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let git = Repository::init(dir.path()).unwrap();
        World { dir, git }
    }

    fn blob(&self, content: impl AsRef<[u8]>) -> Oid {
        self.git.blob(content.as_ref()).unwrap()
    }

    /// A tree as it is given: names are not checked and not sorted.
    fn tree(&self, entries: &[(&str, &[u8], Oid)]) -> Oid {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend_from_slice(mode.as_bytes());
            raw.push(b' ');
            raw.extend_from_slice(name);
            raw.push(0);
            raw.extend_from_slice(id.as_bytes());
        }
        self.git
            .odb()
            .unwrap()
            .write(ObjectType::Tree, &raw)
            .unwrap()
    }

    fn commit(&self, tree: Oid, parents: &[Oid]) -> Oid {
        let who = Signature::new("A", "a@example.org", &Time::new(1_800_000_000, 0)).unwrap();
        let tree = self.git.find_tree(tree).unwrap();
        let parents: Vec<_> = parents
            .iter()
            .map(|id| self.git.find_commit(*id).unwrap())
            .collect();
        let parents: Vec<_> = parents.iter().collect();
        self.git
            .commit(None, &who, &who, "Say hello\n\nand more", &tree, &parents)
            .unwrap()
    }

    /// Commits a baseline whose `web` directory is this tree, and checks nothing out.
    fn commit_web(&self, web: Oid) -> Oid {
        let baseline = self.tree(&[
            (FILE, b"evenkeel.yaml", self.blob(PROJECT)),
            (TREE, b"web", web),
        ]);
        let top = self.tree(&[(TREE, b"desired-state", baseline)]);
        self.commit(top, &[])
    }

    fn repo(&self) -> Repo {
        Repo::discover(&self.dir.path().join("desired-state")).unwrap()
    }

    fn load(&self, commit: Oid) -> Loaded {
        let repo = self.repo();
        let id = repo.resolve(&commit.to_string()).unwrap();
        load(&Source::commit(&repo, &id).unwrap()).unwrap()
    }
}

fn names(loaded: &Loaded) -> Vec<String> {
    let web = loaded.declared.get(&TargetName("web".into()));
    web.into_iter()
        .flatten()
        .map(|declared| declared.id.name.clone())
        .collect()
}

// Goal: what the commit holds counts, not what lies in the work tree, wherever HEAD points and however it got there.
#[test]
fn the_commit_counts() {
    let world = World::new();
    let repo = world.repo();
    assert!(matches!(repo.resolve("HEAD"), Err(BaselineError::NoCommit)));

    let web = world.tree(&[(FILE, b"a.yaml", world.blob(manifest("committed")))]);
    let commit = world.commit_web(web);
    world
        .git
        .reference("refs/heads/topic", commit, true, "")
        .unwrap();
    world.git.set_head("refs/heads/topic").unwrap();
    let lying = world.dir.path().join("desired-state/web");
    fs::create_dir_all(&lying).unwrap();
    fs::write(lying.join("a.yaml"), manifest("lying")).unwrap();

    assert_eq!(repo.branch().as_deref(), Some("topic"));
    assert_eq!(repo.prefix(), "desired-state");
    assert_eq!(repo.top(), world.dir.path().canonicalize().unwrap());
    let head = repo.resolve("HEAD").unwrap();
    assert_eq!(head.as_str(), commit.to_string());
    let loaded = load(&Source::commit(&repo, &head).unwrap()).unwrap();
    assert_eq!(loaded.problems.to_string(), "");
    assert_eq!(names(&loaded), ["committed"]);
    let info = repo.info("HEAD", &head).unwrap();
    assert_eq!(info.summary.as_deref(), Some("Say hello"));
    assert!(
        repo.uncommitted()
            .unwrap()
            .contains(&"desired-state/web/a.yaml".to_owned())
    );

    world.git.set_head_detached(commit).unwrap();
    assert_eq!(repo.branch(), None);
    assert_eq!(repo.resolve("HEAD").unwrap(), head);
    assert!(matches!(
        repo.resolve("no-such-branch"),
        Err(BaselineError::NoSuchRevision { .. })
    ));
    assert!(repo.resolve("HEAD\0").is_err());
    assert!(repo.resolve(&format!("{head}:desired-state")).is_err());
}

// Goal: the baseline may be the top of the repository; then what is hidden there is none of its business.
#[test]
fn the_baseline_may_be_the_top() {
    let world = World::new();
    let hidden = world.tree(&[(FILE, b"ci.yaml", world.blob("on: push"))]);
    let web = world.tree(&[(FILE, b"a.yaml", world.blob(manifest("a")))]);
    let top = world.tree(&[
        (TREE, b".github", hidden),
        (FILE, b"evenkeel.yaml", world.blob(PROJECT)),
        (TREE, b"web", web),
    ]);
    let commit = world.commit(top, &[]);
    let repo = Repo::discover(world.dir.path()).unwrap();
    assert_eq!(repo.prefix(), "");
    let id = repo.resolve(&commit.to_string()).unwrap();
    let loaded = load(&Source::commit(&repo, &id).unwrap()).unwrap();
    assert_eq!(loaded.problems.to_string(), "");
    assert_eq!(names(&loaded), ["a"]);
    assert!(loaded.files.read(".github/ci.yaml").is_err());
}

// Goal: a linked work tree, of a bare repository too, has its own top and HEAD; the bare one alone is a clear error.
#[test]
fn linked_work_trees_work() {
    let world = World::new();
    let web = world.tree(&[(FILE, b"a.yaml", world.blob(manifest("a")))]);
    let commit = world.commit_web(web);
    world
        .git
        .reference("refs/heads/main", commit, true, "")
        .unwrap();
    world.git.set_head("refs/heads/main").unwrap();

    let other = tempfile::tempdir().unwrap();
    let bare_path = other.path().join("bare.git");
    let mut build = git2::build::RepoBuilder::new();
    let bare = build
        .bare(true)
        .clone(world.dir.path().to_str().unwrap(), &bare_path)
        .unwrap();
    let error = Repo::discover(&bare_path).unwrap_err();
    assert!(matches!(error, BaselineError::Bare { .. }), "{error}");

    for (git, name) in [(&world.git, "from-plain"), (&bare, "from-bare")] {
        let path = other.path().join(name);
        git.worktree(name, &path, None).unwrap();
        let repo = Repo::discover(&path.join("desired-state")).unwrap();
        assert_eq!(repo.top(), path.canonicalize().unwrap());
        assert_eq!(repo.branch().as_deref(), Some(name));
        let id = repo.resolve("HEAD").unwrap();
        let loaded = load(&Source::commit(&repo, &id).unwrap()).unwrap();
        assert_eq!(names(&loaded), ["a"]);
    }
}

// Goal: in a clone of depth 1 the baseline loads, and "comes before" is never answered by what is not there.
#[test]
fn shallow_clones_work() {
    let world = World::new();
    let web = world.tree(&[(FILE, b"a.yaml", world.blob(manifest("a")))]);
    let first = world.commit_web(web);
    let baseline_tree = world.git.find_commit(first).unwrap().tree_id();
    let second = world.commit(baseline_tree, &[first]);
    let third = world.commit(baseline_tree, &[second]);
    let repo = world.repo();
    let [one, two, three] = [first, second, third].map(|id| repo.resolve(&id.to_string()).unwrap());
    assert!(repo.is_ancestor(&one, &three).unwrap());
    assert!(repo.is_ancestor(&three, &three).unwrap());
    assert!(!repo.is_ancestor(&three, &one).unwrap());

    // As git leaves a clone of depth 1: the parent's object is missing and `shallow` names the commit.
    fs::write(world.git.path().join("shallow"), format!("{two}\n")).unwrap();
    let (directory, file) = one.as_str().split_at(2);
    fs::remove_file(world.git.path().join("objects").join(directory).join(file)).unwrap();
    let repo = world.repo();
    assert!(repo.is_shallow());
    assert_eq!(names(&world.load(third)), ["a"]);
    assert!(repo.is_ancestor(&two, &three).unwrap());
    let error = repo.is_ancestor(&one, &three).unwrap_err();
    assert!(matches!(error, BaselineError::ShallowHistory), "{error}");
}

// Goal: outside of any repository, inside of .git, and in a commit without the directory the error says which it is.
#[test]
fn what_is_missing_is_named() {
    let nowhere = tempfile::tempdir().unwrap();
    let error = Repo::discover(&nowhere.path().join("desired-state")).unwrap_err();
    assert!(
        matches!(error, BaselineError::NoRepository { .. }),
        "{error}"
    );

    let world = World::new();
    let error = Repo::discover(&world.dir.path().join(".git/refs")).unwrap_err();
    assert!(matches!(error, BaselineError::Outside { .. }), "{error}");

    let commit = world.commit(world.tree(&[]), &[]);
    let repo = world.repo();
    let id = repo.resolve(&commit.to_string()).unwrap();
    let error = Source::commit(&repo, &id).err().unwrap();
    assert!(
        matches!(error, BaselineError::NotInCommit { .. }),
        "{error}"
    );
    assert!(error.hint().is_some());
}

// Goal: a repository that somebody else owns is not read, and the way out is said.
// Method: needs the right to give files away; without it there is nothing to look at, and that is said.
#[test]
fn foreign_repositories_are_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: a repository of another user cannot be made here");
        return;
    }
    let trusts_all = git2::Config::open_default()
        .and_then(|config| config.get_string("safe.directory"))
        .is_ok_and(|value| value == "*");
    if trusts_all {
        eprintln!("safe.directory is * here: git trusts everybody's repositories");
        return;
    }
    let world = World::new();
    for path in [world.dir.path(), &world.dir.path().join(".git")] {
        std::os::unix::fs::chown(path, Some(54_321), Some(54_321)).unwrap();
    }
    let error = Repo::discover(world.dir.path()).unwrap_err();
    assert!(matches!(error, BaselineError::NotOwned { .. }), "{error}");
    assert!(error.hint().unwrap().contains("safe.directory"));
}

// Goal: links and submodules among manifests are named; in data they are named when they are read; none is followed.
#[test]
fn links_and_submodules_are_refused() {
    let world = World::new();
    let target = world.blob("../../etc/shadow");
    let files = world.tree(&[(LINK, b"link", target), (SUBMODULE, b"sub", target)]);
    let web = world.tree(&[
        (FILE, b"a.yaml", world.blob(manifest("a"))),
        (LINK, b"b.yaml", target),
        (LINK, b"common", target),
        (TREE, b"files", files),
        (SUBMODULE, b"module", target),
    ]);
    let loaded = world.load(world.commit_web(web));
    assert_eq!(
        loaded.problems.to_string(),
        "web/b.yaml:1:1: this is a symbolic link, and none is followed\n\
         web/common:1:1: this is a symbolic link, and none is followed\n\
         web/module:1:1: this is a submodule, and none is read"
    );
    let read = |path: &str| loaded.files.read(path).unwrap_err();
    assert_eq!(
        read("web/files/link"),
        "web/files/link is a symbolic link, and none is followed"
    );
    assert_eq!(
        read("web/files/sub"),
        "web/files/sub is a submodule, and none is read"
    );
    assert_eq!(
        read("web/common/passwd"),
        "web/common/passwd lies below web/common, which is no directory of this baseline"
    );
}

// Goal: names that only a hand-made tree can have end in problems that are safe to print.
#[test]
fn hostile_names_are_refused() {
    let world = World::new();
    let blob = world.blob(manifest("a"));
    let web = world.tree(&[
        (FILE, b"..", blob),
        (FILE, b"../../x.yaml", blob),
        (FILE, b"a\x1b[2J.yaml", blob),
        (FILE, b"caf\xe9.yaml", blob),
        (FILE, "x\u{202e}lmay.a".as_bytes(), blob),
        (FILE, b"twice.yaml", blob),
        (FILE, b"twice.yaml", world.blob(manifest("b"))),
    ]);
    let loaded = world.load(world.commit_web(web));
    let text = loaded.problems.to_string();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.is_ascii() && !text.contains('\x1b'), "{text}");
    assert_eq!(names(&loaded), ["a"]);
}

// Goal: a file beyond the bound is refused by its size, and neither depth nor a tree that contains itself many times
// costs more than the bound.
// Method: 20 levels of trees with 20 entries each, all the same object, would be 20^20 files.
#[test]
fn sizes_are_bounded() {
    let world = World::new();
    let big = world.blob(vec![b'#'; (16 << 20) + 1]);
    let web = world.tree(&[(FILE, b"big.yaml", big), (FILE, b"data.bin", big)]);
    let loaded = world.load(world.commit_web(web));
    assert_eq!(
        loaded.problems.to_string(),
        "web/big.yaml:1:1: the file has 16777217 bytes, more than the 16777216 that are read"
    );
    assert!(loaded.files.read("web/data.bin").is_err());

    let mut deep = world.tree(&[]);
    for _ in 0..40 {
        deep = world.tree(&[(TREE, b"d", deep)]);
    }
    let text = world.load(world.commit_web(deep)).problems.to_string();
    assert!(text.ends_with("lies deeper than 32 directories"), "{text}");

    let mut wide = world.tree(&[]);
    for _ in 0..20 {
        let names: Vec<String> = (10..30).map(|n| n.to_string()).collect();
        let entries: Vec<_> = names.iter().map(|n| (TREE, n.as_bytes(), wide)).collect();
        wide = world.tree(&entries);
    }
    let repo = world.repo();
    let id = repo.resolve(&world.commit_web(wide).to_string()).unwrap();
    let error = Source::commit(&repo, &id).err().unwrap();
    assert!(matches!(error, BaselineError::TooLarge { .. }), "{error}");
}

// Goal: a pointer that stands in for a large or secret file is never taken for its content.
#[test]
fn stand_ins_are_refused() {
    let world = World::new();
    let pointer = world.blob("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    let crypt = world.blob(b"\0GITCRYPT\0abc");
    let web = world.tree(&[(FILE, b"crypt", crypt), (FILE, b"lfs", pointer)]);
    let loaded = world.load(world.commit_web(web));
    assert!(
        loaded
            .files
            .read("web/lfs")
            .unwrap_err()
            .contains("Git LFS")
    );
    assert!(
        loaded
            .files
            .read("web/crypt")
            .unwrap_err()
            .contains("git-crypt")
    );
}

// Goal: an object that is missing (a partial clone, a damaged disk) is an error, never an empty file.
#[test]
fn missing_objects_are_errors() {
    let world = World::new();
    let gone = Oid::from_str("00112233445566778899aabbccddeeff00112233").unwrap();
    let web = world.tree(&[(FILE, b"a.yaml", gone)]);
    let text = world.load(world.commit_web(web)).problems.to_string();
    assert!(
        text.starts_with("web/a.yaml:1:1: the file cannot be read from the repository"),
        "{text}"
    );
    let web = world.tree(&[(TREE, b"sub", gone)]);
    let repo = world.repo();
    let id = repo.resolve(&world.commit_web(web).to_string()).unwrap();
    assert!(Source::commit(&repo, &id).is_err());
}

// Goal: the signature and the bytes it covers come out of a commit that git itself signed.
#[test]
fn signatures_come_out() {
    let world = World::new();
    let unsigned = world.commit_web(world.tree(&[]));
    let raw = {
        let odb = world.git.odb().unwrap();
        odb.read(unsigned).unwrap().data().to_vec()
    };
    let text = std::str::from_utf8(&raw).unwrap();
    let signed = world
        .git
        .commit_signed(text, "-----BEGIN X-----\nabc\n-----END X-----", None)
        .unwrap();
    let repo = world.repo();
    let of = |id: Oid| {
        repo.signature(&repo.resolve(&id.to_string()).unwrap())
            .unwrap()
    };
    assert_eq!(of(unsigned), None);
    let found = of(signed).unwrap();
    assert_eq!(found.signature, "-----BEGIN X-----\nabc\n-----END X-----");
    assert_eq!(found.payload, raw);
    assert!(Path::new(repo.top()).is_absolute());
}
