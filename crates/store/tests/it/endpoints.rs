//! Revisions of endpoints: brought up to date in place, and found by what became of them.

use windlass_kinds::{
    Digest, Micros,
    record::{EndpointRevision, EndpointState},
};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

fn revision(endpoint: &str, number: u32, state: EndpointState) -> EndpointRevision {
    EndpointRevision {
        project: name("default"),
        endpoint: name(endpoint),
        number,
        revision: 1,
        model: "flights".to_owned(),
        version: number + 1,
        manifest: Digest::sha256(number.to_string()),
        created_at: NOW,
        state,
        reason: String::new(),
        ready_at: (state == EndpointState::Ready).then_some(Micros(NOW.0 + 1)),
        retired_at: None,
    }
}

store_tests! {
    async fn revisions_of_endpoints_are_found_by_what_became_of_them(store) {
        use EndpointState::{Failed, Ready, Retired, Starting};
        let saved = [
            revision("flights", 1, Starting),
            revision("flights", 1, Ready),
            revision("flights", 2, Starting),
            revision("flights", 1, Retired),
            revision("flights", 2, Ready),
            revision("flights", 3, Failed),
            revision("other", 1, Starting),
            revision("other", 1, Starting),
        ];
        let (all, last, one, open, none) = store
            .write(move |tx| {
                let saved = saved.clone();
                Box::pin(async move {
                    for revision in &saved {
                        tx.endpoint_revision_save(revision).await?;
                    }
                    let (project, flights) = (name("default"), name("flights"));
                    Ok((
                        tx.endpoint_revisions(&project, &flights).await?,
                        tx.endpoint_revision_last(&project, &flights).await?,
                        tx.endpoint_revision_get(&project, &flights, 2).await?,
                        tx.endpoint_revisions_open().await?,
                        tx.endpoint_revision_last(&project, &name("none")).await?,
                    ))
                })
            })
            .await
            .unwrap();
        let expected =
            [revision("flights", 1, Retired), revision("flights", 2, Ready), revision("flights", 3, Failed)];
        assert_eq!(all, expected);
        assert_eq!((last, one, none), (Some(expected[2].clone()), Some(expected[1].clone()), None));
        assert_eq!(open, [expected[1].clone(), revision("other", 1, Starting)]);
    }
}
