//! Uploads in parts.

use windlass_kinds::Digest;
use windlass_store::{UPLOAD, UploadPart};
use windlass_testkit::store_tests;

use crate::samples::name;

fn part(number: u32, text: &str) -> UploadPart {
    UploadPart { number, digest: Digest::sha256(text), size: text.len() as u64 }
}

store_tests! {
    async fn parts_come_in_any_order_and_again(store) {
        let (place, parts, holders, late) = store
            .write(|tx| Box::pin(async move {
                let project = name("default");
                tx.upload_begin(&project, "u", "1/r/artifacts/big", 10, 0).await?;
                tx.upload_part_put("u", &part(2, "two")).await?;
                tx.upload_part_put("u", &part(1, "wrong")).await?;
                tx.upload_part_put("u", &part(1, "one")).await?;
                let place = tx.upload_get("u").await?;
                let parts = tx.upload_parts("u").await?;
                let holders = tx.content_ref_holders(&Digest::sha256("two")).await?;
                Ok((place, parts, holders, tx.upload_part_put("none", &part(1, "x")).await?))
            }))
            .await
            .unwrap();
        assert_eq!(place, Some((name("default"), "1/r/artifacts/big".to_owned())));
        assert_eq!(parts, [part(1, "one"), part(2, "two")]);
        assert_eq!(holders, [(name("default"), UPLOAD.to_owned())]);
        assert!(!late);
    }

    async fn uploads_end_once_and_grow_old(store) {
        let ends = store
            .write(|tx| Box::pin(async move {
                let project = name("default");
                tx.upload_begin(&project, "old", "a", 10, 0).await?;
                tx.upload_part_put("old", &part(1, "one")).await?;
                tx.upload_begin(&name("other"), "far", "a", 10, 0).await?;
                tx.upload_begin(&project, "new", "a", 30, 20).await?;
                let old = (tx.upload_get("old").await?.is_some(), tx.upload_parts("old").await?.len());
                let far = tx.upload_get("far").await?.is_some();
                let foreign = tx.upload_end(&name("other"), "new").await?;
                let ends = (tx.upload_end(&project, "new").await?, tx.upload_end(&project, "new").await?);
                Ok((old, far, foreign, ends))
            }))
            .await
            .unwrap();
        assert_eq!(ends, ((false, 0), true, false, (true, false)));
    }
}
