mod stripe_fake;
