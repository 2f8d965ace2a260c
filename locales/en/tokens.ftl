# Tokens of the JSON API.
tokens-title = Tokens for programs
tokens-lead = A program calls the API with a token in your name, for this account. It may never more than you may, and nothing that concerns the account itself, your password or your sessions.
tokens-none = There is none.
tokens-new = A new token
tokens-name = Name
tokens-name-hint = What tells you later what it is for, such as the program and its machine
tokens-name-wrong = Enter a name of at most 60 characters.
tokens-scope = What it may do
tokens-scope-wrong = Choose what the token may do: read or manage.
tokens-read = Read
tokens-manage = Read and manage
tokens-server = For which server
tokens-all = All of the account
tokens-instance-wrong = Choose a server of this account, or all of them.
tokens-for = For how long
tokens-days = { $n ->
    [one] One day
   *[other] { $n } days
  }
tokens-days-wrong = Choose between 1 and 365 days.
tokens-too-many = You have as many tokens as you may have. End one that you do not need any more.
tokens-make = Make the token
tokens-until = good until { $until }
tokens-used = last used { $used }
tokens-unused = never used
tokens-end = End it
tokens-made = Your token
tokens-made-lead = Copy it now. It is not shown again.
tokens-made-text = Whoever has it may do what it may. Should it get into other hands, end it on the page before.

# One-time messages, chosen in code
flash-token-ended = The token has ended.
