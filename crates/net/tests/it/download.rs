//! Files from and to servers.

use windlass_kinds::Digest;
use windlass_net::NetError;

use crate::server::{Server, answer, client};

#[tokio::test]
async fn a_file_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let body = "some bytes";
    let right = Digest::sha256(body);
    // The first answer breaks off in the middle.
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nsome".to_owned();
    let server = Server::answering([broken.clone(), answer("200 OK", "", body)]).await;
    let done = client().get(&server.url("/")).download_to(&path, 10, Some(&right)).await.unwrap();
    assert_eq!(done, (right, 10));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), body);

    std::fs::remove_file(&path).unwrap();
    let wrong = Digest::sha256("other bytes");
    for (text, max, expected) in
        [(answer("200 OK", "", body), 9, None), (answer("200 OK", "", body), 10, Some(&wrong)), (broken, 10, None)]
    {
        let server = Server::answering([text]).await;
        let error = client().get(&server.url("/")).download_to(&path, max, expected).await.unwrap_err();
        assert!(
            matches!(error, NetError::TooLarge { .. } | NetError::Digest { .. } | NetError::Broken { .. }),
            "{error:?}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_file_is_sent_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "some bytes").unwrap();
    let server = Server::answering([answer("503 Service Unavailable", "", ""), answer("201 Created", "", "")]).await;
    client().put(&server.url("/")).file(&path).send_ok().await.unwrap();
    assert_eq!(server.asked().len(), 2);
    assert!(server.asked()[1].ends_with("\n\nsome bytes"), "{:?}", server.asked());
    let gone = client().put(&server.url("/")).file(folder.path().join("gone")).send().await;
    assert!(matches!(gone, Err(NetError::File { .. })));
}
