//! How steps end.

use std::{fs, time::Duration};

use serde_json::json;
use windlass_control::{Executor as _, Job, JobInput, JobItem};
use windlass_kinds::{
    AttemptId, Digest,
    manifest::{OutputSpec, PythonSpec},
    record::FileEntry,
};
use windlass_oci::{put_single, put_tree};

use crate::place::{Place, is_alive, name, script, text, with_output};

async fn check(place: &Place, job: Job, expected: &str) {
    let title = job.title.clone();
    let result = place.run(job).await;
    assert_eq!(text(&result.end), expected, "{title}");
    assert_eq!(result.outputs.is_empty(), expected != "succeeded", "{title}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_end_with_their_reason() {
    let place = Place::new();
    for (index, (line, expected)) in [
        ("echo x > $WINDLASS_OUTPUTS/out", "succeeded"),
        ("mkdir $WINDLASS_OUTPUTS/out; echo x > $WINDLASS_OUTPUTS/out/file", "succeeded"),
        ("exit 1", "failed: exit code 1"),
        ("kill -9 $$", "failed: killed by signal 9 (SIGKILL); not by Windlass"),
        ("kill -TERM $$", "failed: killed by signal 15 (SIGTERM); not by Windlass"),
        ("true", "failed: output \"out\" is missing"),
        ("mkfifo $WINDLASS_OUTPUTS/out", "failed for good: output \"out\" is a named pipe; only files and folders can be kept"),
        (
            "ln -s /etc/passwd $WINDLASS_OUTPUTS/out",
            "failed for good: output \"out\" is a link out of its folder, to `/etc/passwd`; copy the file instead",
        ),
        (
            "ln -s nowhere $WINDLASS_OUTPUTS/out",
            "failed for good: output \"out\" is a link to `nowhere`, which is not there",
        ),
        (
            "mkdir $WINDLASS_OUTPUTS/out; ln -s /etc/passwd $WINDLASS_OUTPUTS/out/in",
            "failed for good: output \"out\": `in` is a link out of its folder, to `/etc/passwd`; copy the file instead",
        ),
        ("echo x > $WINDLASS_OUTPUTS/file; ln -s file $WINDLASS_OUTPUTS/out", "succeeded"),
        (
            "echo print | python3 -c 'import os,socket; s=socket.socket(socket.AF_UNIX); os.chdir(os.environ[\"WINDLASS_OUTPUTS\"]); s.bind(\"out\")'",
            "failed for good: output \"out\" is a socket; only files and folders can be kept",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        check(&place, with_output(script(&format!("end-{index}"), line), "out"), expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_cannot_start_fail_for_good() {
    let place = Place::new();
    let code = tempfile::tempdir().unwrap();
    fs::write(code.path().join("plain.sh"), "#!/bin/sh\n").unwrap();
    fs::write(code.path().join("strange.sh"), "#!/no/such/interpreter\n").unwrap();
    let (_, code) = put_tree(place.blobs.as_ref(), code.path(), &Default::default()).await.unwrap();
    for (index, (program, expected)) in [
        ("no-such-program", "the program `no-such-program` was not found: install it, or write its path relative"),
        ("./missing.sh", "the program `./missing.sh` is not in the code of the pipeline"),
        ("./plain.sh", "it may not be executed"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut job = script(&format!("start-{index}"), "");
        job.command = vec![program.to_owned()];
        job.code = Some(code.clone());
        let attempt = job.attempt.clone();
        let end = text(&place.run(job).await.end);
        assert!(end.starts_with("failed for good: ") && end.contains(expected), "{end}");
        assert!(place.log(&attempt).await.contains(expected));
    }
    let mut job = script("start-python", "");
    let request = windlass_control::PrepareRequest {
        python: PythonSpec { version: None, requirements: None, packages: vec![] },
        requirements: None,
        origin: "requirements.txt".to_owned(),
    };
    job.python = Some((request, Digest::sha256("")));
    check(&place, job, "failed for good: there is no Python here").await;
    assert_eq!(
        place.log(&AttemptId::new("start-python")).await,
        "windlass: building nothing\nwindlass: there is no Python here\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_never_ends_is_ended() {
    let place = Place::new();
    let mut job = script("slow", "echo begun; exec sleep 1000");
    job.timeout = Some(Duration::from_millis(300));
    check(&place, job, "timed out: 300ms").await;
    assert_eq!(place.log(&AttemptId::new("slow")).await, "begun\nwindlass: time-out of 300ms reached\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_limit_is_held() {
    let place = Place::new();
    let mut job = script("greedy", "exec python3 -c 'import time; x = bytearray(200 << 20); time.sleep(60)'");
    job.resources.memory = Some(64 << 20);
    let end = text(&place.run(job).await.end);
    assert!(end.starts_with("failed: memory limit of 64 MiB exceeded"), "{end}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_left_behind_are_killed() {
    let place = Place::new();
    let pids = place.path().join("pids");
    let file = pids.display();
    let line = format!(
        "sleep 1000 & echo $! >> {file}
         setsid sleep 1000 & echo $! >> {file}
         env -i bash -c '(setsid env -i bash -c \"echo \\$\\$ >> {file}; exec sleep 1000\" &) ; true'
         bash -c 'trap \"\" TERM; echo $$ >> {file}; sleep 1000' &
         while [ $(wc -l < {file}) -lt 4 ]; do sleep 0.01; done"
    );
    let result = place.run(script("parent", &line)).await;
    assert_eq!(text(&result.end), "succeeded");
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 4);
    assert_eq!(pids.lines().filter(|pid| is_alive(pid)).count(), 0, "{pids}");
    assert!(place.log(&AttemptId::new("parent")).await.contains("processes that the step left behind"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_sees_what_the_contract_says() {
    let place = Place::new();
    let made = place.path().join("made");
    fs::create_dir(&made).unwrap();
    fs::write(made.join("a.txt"), "a").unwrap();
    let (_, folder) = put_tree(place.blobs.as_ref(), &made, &Default::default()).await.unwrap();
    let (_, file) = put_single(place.blobs.as_ref(), &made.join("a.txt")).await.unwrap();

    let mut job = script("contract", "");
    job.env.insert("OF_MINE".to_owned(), "yes".to_owned());
    job.env.insert("WINDLASS_OUTPUTS".to_owned(), "/elsewhere".to_owned());
    job.parameters.insert("learning-rate".to_owned(), json!(0.5));
    job.parameters.insert("text".to_owned(), json!("two words"));
    job.inputs.insert(name("folder"), JobInput::Output { tree: folder.clone(), single_file: false });
    job.inputs.insert(name("file"), JobInput::Output { tree: file.clone(), single_file: true });
    job.inputs.insert(
        name("items"),
        JobInput::Items(vec![
            JobItem { dir: "0-all".to_owned(), value: json!("all"), tree: folder.clone(), single_file: false },
            JobItem { dir: "1-last".to_owned(), value: json!("last"), tree: file, single_file: true },
        ]),
    );
    job.inputs.insert(
        name("flights"),
        JobInput::Dataset {
            base: made.clone(),
            files: vec![FileEntry { path: "a.txt".to_owned(), digest: Digest::sha256("a"), size: 1 }],
        },
    );
    job.writes.insert(name("flights"), place.path().join("laid"));
    job.code = Some(folder);
    job.outputs.insert(name("out"), OutputSpec { model: None, optional: true });
    job.command[2] = r#"set -e
        cat a.txt
        cat $WINDLASS_INPUTS/{folder/a.txt,file,items/0-all/a.txt,items/1-last,items/_items.json,flights/a.txt}
        echo; cat $WINDLASS_PARAMS; echo
        echo "$WINDLASS_PARAM_LEARNING_RATE $WINDLASS_PARAM_TEXT $OF_MINE $OMP_NUM_THREADS $WINDLASS_ATTEMPT"
        echo "$MLFLOW_TRACKING_URI $MLFLOW_RUN_ID $MLFLOW_EXPERIMENT_ID $MLFLOW_TRACKING_TOKEN"
        touch $WINDLASS_WRITES/flights/b.txt $WINDLASS_CHECKPOINTS/c
        env | grep -c CARGO || true"#
        .to_owned();
    let result = place.run(job).await;
    let attempt = AttemptId::new("contract");
    let log = place.log(&attempt).await;
    assert_eq!(text(&result.end), "succeeded", "{log}");
    assert_eq!(
        log,
        "aaaaa[{\"dir\":\"0-all\",\"value\":\"all\"},{\"dir\":\"1-last\",\"value\":\"last\"}]a
{\"learning-rate\":0.5,\"text\":\"two words\"}
0.5 two words yes 1 contract
http://127.0.0.1:7070 run 1 ***
0
"
    );
    assert!(place.path().join("laid/b.txt").exists());
    assert!(result.usage.cpu_micros > 0 && result.usage.peak_memory > 0 && result.usage.wall_micros > 0);
    assert!(!place.data().checkpoints("contract-step").exists(), "a step that succeeded needs none");
    place.executor.forget(&attempt).await;
    assert!(!place.data().attempt(&attempt).path().exists());
    assert_eq!(place.log(&attempt).await, log, "logs survive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changed_is_not_used() {
    let place = Place::new();
    let base = place.path().join("flights");
    fs::create_dir(&base).unwrap();
    fs::write(base.join("a.csv"), "two").unwrap();
    let mut job = script("changed", "true");
    let files = vec![FileEntry { path: "a.csv".to_owned(), digest: Digest::sha256("one"), size: 3 }];
    job.inputs.insert(name("flights"), JobInput::Dataset { base, files });
    let end = text(&place.run(job).await.end);
    let expected = "failed for good: input `flights`: file `a.csv` changed since its version was observed";
    assert!(end.starts_with(expected), "{end}");
}
