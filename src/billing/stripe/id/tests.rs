use super::*;

#[test]
fn only_ids_of_the_right_kind_are_taken() {
    assert_eq!("cus_Ab1".parse::<CustomerId>().map(|id| id.to_string()), Ok("cus_Ab1".to_owned()));
    for wrong in ["", "cus_", "sub_1", "cus_a/b", "cus_a b", "cus_ä", &format!("cus_{}", "a".repeat(300))] {
        assert!(wrong.parse::<CustomerId>().is_err(), "{wrong}");
    }
    assert!(serde_json::from_str::<PriceId>("\"prod_1\"").is_err());
}
