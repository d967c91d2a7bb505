UPDATE subscription_tokens SET last = last + 1 RETURNING last;
