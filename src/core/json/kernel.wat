;; Walks JSON in a window of memory, up to 64 bytes of a string at a time.
;;
;; It only ever goes forward over what is sound and whole inside the window.
;; At anything else (damage, a value that the window cuts, NaN and the
;; infinities, nesting beyond the stack) it stops in front of it, and the
;; reader in TypeScript, which knows all rules and names every error, takes that
;; piece itself. So nothing here decides that a document is broken.
;;
;; Memory, in bytes:
;;      0  words: where a walk stopped, how many records it made, whether it met the closing bracket,
;;         whether half a surrogate pair was seen (stays until it is cleared),
;;         how many keys are known, and after which of them the walk is; of messages, how many are the
;;         user's, and where the last time that counts begins and ends
;;     64  masks of 0 to 16 bytes, 16 bytes each
;;    352  a needle: 64 bytes, and 64 that are as good; from 480 on a bit for each ASCII character in it
;;    512  names of wanted keys, 16 bytes each, padded with zeros; longest 15
;;   1024  stack of open containers, a byte each
;;   8192  records
;;  57344  known keys, 48 bytes each: up to 47 of the key, padded with zeros, and its length in the last
;;  65536  the window; behind its end at least 16 bytes that may be read; 64 bytes at once only in front of it
(module
  ;; With the window of a megabyte that is asked for first: memory that grows is another buffer, and where one was ever
  ;; left without its bytes, the engine asks at each byte of all others.
  (memory (export "memory") 18)

  (func $is_hex (param $c i32) (result i32)
    (i32.or
      (i32.lt_u (i32.sub (local.get $c) (i32.const 0x30)) (i32.const 10))
      (i32.lt_u (i32.sub (i32.or (local.get $c) (i32.const 0x20)) (i32.const 0x61)) (i32.const 6))))

  (func $is_hex4 (param $p i32) (result i32)
    (i32.and
      (i32.and (call $is_hex (i32.load8_u (local.get $p))) (call $is_hex (i32.load8_u offset=1 (local.get $p))))
      (i32.and (call $is_hex (i32.load8_u offset=2 (local.get $p))) (call $is_hex (i32.load8_u offset=3 (local.get $p))))))

  ;; From inside a string to its closing quote, or to what the reader must look at, or to the end.
  (func $string (export "string") (param $p i32) (param $end i32) (result i32)
    (local $m i32) (local $c i32) (local $v v128) (local $next i32)
    (local $v0 v128) (local $v1 v128) (local $v2 v128) (local $v3 v128)
    (local $stop i64) (local $back i64) (local $pairs i64) (local $escaped i64) (local $odd i64)
    (local $quote v128) (local $slash v128) (local $blank v128) (local $lows v128) (local $highs v128)
    (local.set $quote (i8x16.splat (i32.const 0x22)))
    (local.set $slash (i8x16.splat (i32.const 0x5c)))
    (local.set $blank (i8x16.splat (i32.const 0x20)))
    (loop $again
      ;; Quotes, backslashes and control characters. Not a function of its own: a call costs as much as the rest.
      (local.set $v (v128.load (local.get $p)))
      (local.set $m (i8x16.bitmask
        (v128.or
          (i8x16.eq (local.get $v) (local.get $quote))
          (v128.or
            (i8x16.eq (local.get $v) (local.get $slash))
            (i8x16.lt_u (local.get $v) (local.get $blank))))))
      (if (i32.eqz (local.get $m))
        (then
          (local.set $p (i32.add (local.get $p) (i32.const 16)))
          (if (i32.gt_u (i32.add (local.get $p) (i32.const 64)) (local.get $end))
            (then
              (br_if $again (i32.lt_u (local.get $p) (local.get $end)))
              (return (local.get $end))))
          ;; A long string: 64 bytes at a time, without a branch for each escape.
          (loop $blocks
            (local.set $v0 (v128.load (local.get $p)))
            (local.set $v1 (v128.load offset=16 (local.get $p)))
            (local.set $v2 (v128.load offset=32 (local.get $p)))
            (local.set $v3 (v128.load offset=48 (local.get $p)))
            (local.set $stop (i64.extend_i32_u (i8x16.bitmask (v128.or (i8x16.eq (local.get $v0) (local.get $quote)) (i8x16.lt_u (local.get $v0) (local.get $blank))))))
            (local.set $stop (i64.or (local.get $stop)
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (v128.or (i8x16.eq (local.get $v1) (local.get $quote)) (i8x16.lt_u (local.get $v1) (local.get $blank))))) (i64.const 16))))
            (local.set $stop (i64.or (local.get $stop)
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (v128.or (i8x16.eq (local.get $v2) (local.get $quote)) (i8x16.lt_u (local.get $v2) (local.get $blank))))) (i64.const 32))))
            (local.set $stop (i64.or (local.get $stop)
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (v128.or (i8x16.eq (local.get $v3) (local.get $quote)) (i8x16.lt_u (local.get $v3) (local.get $blank))))) (i64.const 48))))
            (local.set $back (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $v0) (local.get $slash)))))
            (local.set $back (i64.or (local.get $back)
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $v1) (local.get $slash)))) (i64.const 16))))
            (local.set $back (i64.or (local.get $back)
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $v2) (local.get $slash)))) (i64.const 32))))
            (local.set $back (i64.or (local.get $back)
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $v3) (local.get $slash)))) (i64.const 48))))
            (local.set $next (i32.add (local.get $p) (i32.const 64)))
            (if (i64.ne (local.get $back) (i64.const 0))
              (then
                ;; Of a run of backslashes every second one begins an escape: a subtraction carries through the runs.
                (local.set $pairs
                  (i64.xor
                    (i64.sub
                      (i64.or (i64.shl (local.get $back) (i64.const 1)) (i64.const 0xaaaaaaaaaaaaaaaa))
                      (local.get $back))
                    (i64.const 0xaaaaaaaaaaaaaaaa)))
                (local.set $escaped (i64.xor (local.get $pairs) (local.get $back)))
                ;; An escape that the block cuts begins the next one.
                (local.set $next (i32.sub (local.get $next)
                  (i32.wrap_i64 (i64.shr_u (i64.and (local.get $pairs) (local.get $back)) (i64.const 63)))))
                ;; Which bytes are none of "\/bfnrt: their low and their high half have no bit in common.
                (local.set $lows (v128.const i8x16 0 0 13 0 8 0 4 0 0 0 0 0 2 0 4 1))
                (local.set $highs (v128.const i8x16 0 0 1 0 0 2 4 8 0 0 0 0 0 0 0 0))
                (local.set $v0 (v128.and
                  (i8x16.swizzle (local.get $lows) (v128.and (local.get $v0) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
                  (i8x16.swizzle (local.get $highs) (i8x16.shr_u (local.get $v0) (i32.const 4)))))
                (local.set $v1 (v128.and
                  (i8x16.swizzle (local.get $lows) (v128.and (local.get $v1) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
                  (i8x16.swizzle (local.get $highs) (i8x16.shr_u (local.get $v1) (i32.const 4)))))
                (local.set $v2 (v128.and
                  (i8x16.swizzle (local.get $lows) (v128.and (local.get $v2) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
                  (i8x16.swizzle (local.get $highs) (i8x16.shr_u (local.get $v2) (i32.const 4)))))
                (local.set $v3 (v128.and
                  (i8x16.swizzle (local.get $lows) (v128.and (local.get $v3) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
                  (i8x16.swizzle (local.get $highs) (i8x16.shr_u (local.get $v3) (i32.const 4)))))
                (local.set $odd (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $v0) (v128.const i64x2 0 0)))))
                (local.set $odd (i64.or (local.get $odd)
                  (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $v1) (v128.const i64x2 0 0)))) (i64.const 16))))
                (local.set $odd (i64.or (local.get $odd)
                  (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $v2) (v128.const i64x2 0 0)))) (i64.const 32))))
                (local.set $odd (i64.or (local.get $odd)
                  (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $v3) (v128.const i64x2 0 0)))) (i64.const 48))))
                ;; In front of what is not escaped, and of the backslash of what cannot be, or is \u.
                (local.set $stop (i64.or
                  (i64.and (local.get $stop) (i64.xor (local.get $escaped) (i64.const -1)))
                  (i64.shr_u (i64.and (local.get $escaped) (local.get $odd)) (i64.const 1))))))
            (if (i64.eqz (local.get $stop))
              (then
                (local.set $p (local.get $next))
                (br_if $blocks (i32.le_u (i32.add (local.get $p) (i32.const 64)) (local.get $end)))
                (br_if $again (i32.lt_u (local.get $p) (local.get $end)))
                (return (local.get $end)))))
          (local.set $p (i32.add (local.get $p) (i32.wrap_i64 (i64.ctz (local.get $stop))))))
        (else (local.set $p (i32.add (local.get $p) (i32.ctz (local.get $m))))))
      (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (local.get $end))))
      (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x5c)) (then (return (local.get $p))))
      ;; An escape. It must be whole in the window.
      (if (i32.ge_u (i32.add (local.get $p) (i32.const 1)) (local.get $end)) (then (return (local.get $p))))
      (local.set $c (i32.load8_u offset=1 (local.get $p)))
      (if (i32.or (i32.eq (local.get $c) (i32.const 0x6e)) (i32.eq (local.get $c) (i32.const 0x22)))
        (then
          (local.set $p (i32.add (local.get $p) (i32.const 2)))
          (br_if $again (i32.lt_u (local.get $p) (local.get $end)))
          (return (local.get $end))))
      (if (i32.or
            (i32.or
              (i32.eq (local.get $c) (i32.const 0x5c))
              (i32.eq (local.get $c) (i32.const 0x74)))
            (i32.or
              (i32.or (i32.eq (local.get $c) (i32.const 0x72)) (i32.eq (local.get $c) (i32.const 0x2f)))
              (i32.or (i32.eq (local.get $c) (i32.const 0x62)) (i32.eq (local.get $c) (i32.const 0x66)))))
        (then
          (local.set $p (i32.add (local.get $p) (i32.const 2)))
          (br_if $again (i32.lt_u (local.get $p) (local.get $end)))
          (return (local.get $end))))
      (if (i32.ne (local.get $c) (i32.const 0x75)) (then (return (local.get $p))))
      (if (i32.gt_u (i32.add (local.get $p) (i32.const 6)) (local.get $end)) (then (return (local.get $p))))
      (if (i32.eqz (call $is_hex4 (i32.add (local.get $p) (i32.const 2)))) (then (return (local.get $p))))
      ;; \ud800 to \udfff: half of a pair.
      (if (i32.and
            (i32.eq (i32.or (i32.load8_u offset=2 (local.get $p)) (i32.const 0x20)) (i32.const 0x64))
            (i32.ge_u (i32.load8_u offset=3 (local.get $p)) (i32.const 0x38)))
        (then
          ;; Whether the other half follows must be seen.
          (if (i32.gt_u (i32.add (local.get $p) (i32.const 12)) (local.get $end)) (then (return (local.get $p))))
          (local.set $c (i32.or (i32.load8_u offset=3 (local.get $p)) (i32.const 0x20)))
          (if (i32.and
                (i32.and
                  ;; 8, 9, a, b: the first half
                  (i32.or
                    (i32.or (i32.eq (local.get $c) (i32.const 0x38)) (i32.eq (local.get $c) (i32.const 0x39)))
                    (i32.or (i32.eq (local.get $c) (i32.const 0x61)) (i32.eq (local.get $c) (i32.const 0x62))))
                  (i32.eq (i32.load16_u offset=6 (local.get $p)) (i32.const 0x755c)))
                (i32.and
                  (i32.eq (i32.or (i32.load8_u offset=8 (local.get $p)) (i32.const 0x20)) (i32.const 0x64))
                  (i32.and
                    (i32.ge_u (i32.or (i32.load8_u offset=9 (local.get $p)) (i32.const 0x20)) (i32.const 0x63))
                    (call $is_hex4 (i32.add (local.get $p) (i32.const 8))))))
            (then
              (local.set $p (i32.add (local.get $p) (i32.const 12)))
              (br_if $again (i32.lt_u (local.get $p) (local.get $end)))
              (return (local.get $end))))
          (i32.store (i32.const 12) (i32.const 1))))
      (local.set $p (i32.add (local.get $p) (i32.const 6)))
      (br_if $again (i32.lt_u (local.get $p) (local.get $end))))
    (local.get $end))

  ;; Behind white space; may be the end.
  (func $space (param $p i32) (param $end i32) (result i32)
    (local $v v128) (local $m i32)
    (block $out
      (br_if $out (i32.ge_u (local.get $p) (local.get $end)))
      (br_if $out (i32.gt_u (i32.load8_u (local.get $p)) (i32.const 0x20)))
      (loop $again
        (local.set $v (v128.load (local.get $p)))
        (local.set $m (i32.xor (i32.const 0xffff) (i8x16.bitmask
          (v128.or
            (v128.or
              (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x20)))
              (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x0a))))
            (v128.or
              (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x0d)))
              (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x09))))))))
        (if (i32.eqz (local.get $m))
          (then
            (local.set $p (i32.add (local.get $p) (i32.const 16)))
            (br_if $again (i32.lt_u (local.get $p) (local.get $end)))
            (return (local.get $end)))))
      (local.set $p (i32.add (local.get $p) (i32.ctz (local.get $m))))
      (if (i32.gt_u (local.get $p) (local.get $end)) (then (return (local.get $end)))))
    (local.get $p))

  (func $digit (param $p i32) (result i32)
    (i32.lt_u (i32.sub (i32.load8_u (local.get $p)) (i32.const 0x30)) (i32.const 10)))

  ;; Behind a run of digits.
  (func $digits (param $p i32) (param $end i32) (result i32)
    (block $out
      (loop $again
        (br_if $out (i32.ge_u (local.get $p) (local.get $end)))
        (br_if $out (i32.ge_u (i32.sub (i32.load8_u (local.get $p)) (i32.const 0x30)) (i32.const 10)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br $again)))
    (local.get $p))

  ;; Behind a number or a word; 0 where it is none, or may go on behind the window.
  (func $scalar (param $p i32) (param $end i32) (result i32)
    (local $c i32) (local $q i32)
    (local.set $c (i32.load8_u (local.get $p)))
    (if (i32.eq (local.get $c) (i32.const 0x6e))
      (then
        (return (select (i32.add (local.get $p) (i32.const 4)) (i32.const 0)
          (i32.and (i32.le_u (i32.add (local.get $p) (i32.const 4)) (local.get $end))
            (i32.eq (i32.load (local.get $p)) (i32.const 0x6c6c756e)))))))
    (if (i32.eq (local.get $c) (i32.const 0x74))
      (then
        (return (select (i32.add (local.get $p) (i32.const 4)) (i32.const 0)
          (i32.and (i32.le_u (i32.add (local.get $p) (i32.const 4)) (local.get $end))
            (i32.eq (i32.load (local.get $p)) (i32.const 0x65757274)))))))
    (if (i32.eq (local.get $c) (i32.const 0x66))
      (then
        (return (select (i32.add (local.get $p) (i32.const 5)) (i32.const 0)
          (i32.and (i32.le_u (i32.add (local.get $p) (i32.const 5)) (local.get $end))
            (i32.eq (i32.load offset=1 (local.get $p)) (i32.const 0x65736c61)))))))
    (if (i32.eq (local.get $c) (i32.const 0x2d))
      (then
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
        (local.set $c (i32.load8_u (local.get $p)))))
    (if (i32.eqz (call $digit (local.get $p))) (then (return (i32.const 0))))
    (local.set $q (call $digits (local.get $p) (local.get $end)))
    ;; A leading zero stands alone.
    (if (i32.and (i32.eq (local.get $c) (i32.const 0x30)) (i32.ne (local.get $q) (i32.add (local.get $p) (i32.const 1))))
      (then (return (i32.const 0))))
    (if (i32.ge_u (local.get $q) (local.get $end)) (then (return (i32.const 0))))
    (local.set $c (i32.load8_u (local.get $q)))
    (if (i32.eq (local.get $c) (i32.const 0x2e))
      (then
        (local.set $p (i32.add (local.get $q) (i32.const 1)))
        (local.set $q (call $digits (local.get $p) (local.get $end)))
        (if (i32.or (i32.eq (local.get $q) (local.get $p)) (i32.ge_u (local.get $q) (local.get $end)))
          (then (return (i32.const 0))))
        (local.set $c (i32.load8_u (local.get $q)))))
    (if (i32.eq (i32.or (local.get $c) (i32.const 0x20)) (i32.const 0x65))
      (then
        (local.set $p (i32.add (local.get $q) (i32.const 1)))
        (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
        (local.set $c (i32.load8_u (local.get $p)))
        (if (i32.or (i32.eq (local.get $c) (i32.const 0x2b)) (i32.eq (local.get $c) (i32.const 0x2d)))
          (then (local.set $p (i32.add (local.get $p) (i32.const 1)))))
        (local.set $q (call $digits (local.get $p) (local.get $end)))
        (if (i32.or (i32.eq (local.get $q) (local.get $p)) (i32.ge_u (local.get $q) (local.get $end)))
          (then (return (i32.const 0))))))
    (local.get $q))

  ;; Stands at a key's opening quote: behind the colon and its white space; 0 where that is not so.
  (func $key (param $p i32) (param $end i32) (result i32)
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x22)) (then (return (i32.const 0))))
    (local.set $p (call $string (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x22)) (then (return (i32.const 0))))
    (call $colon (i32.add (local.get $p) (i32.const 1)) (local.get $end)))

  (func $colon (param $p i32) (param $end i32) (result i32)
    ;; Mostly a colon, a space and the value, or a colon and the value.
    (if (i32.lt_u (i32.add (local.get $p) (i32.const 2)) (local.get $end))
      (then
        (if (i32.eq (i32.load16_u (local.get $p)) (i32.const 0x203a))
          (then
            (if (i32.gt_u (i32.load8_u offset=2 (local.get $p)) (i32.const 0x20))
              (then (return (i32.add (local.get $p) (i32.const 2))))))
          (else
            (if (i32.and
                  (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x3a))
                  (i32.gt_u (i32.load8_u offset=1 (local.get $p)) (i32.const 0x20)))
              (then (return (i32.add (local.get $p) (i32.const 1)))))))))
    (local.set $p (call $space (local.get $p) (local.get $end)))
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x3a)) (then (return (i32.const 0))))
    (call $space (i32.add (local.get $p) (i32.const 1)) (local.get $end)))

  ;; Stands at a value's first byte: behind the value; 0 where the reader must take it.
  (func $value (export "value") (param $p i32) (param $end i32) (result i32)
    (local $depth i32) (local $c i32)
    (loop $values
      (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
      (local.set $c (i32.load8_u (local.get $p)))
      (block $done
        (if (i32.eq (local.get $c) (i32.const 0x22))
          (then
            (local.set $p (call $string (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
            (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
            (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x22)) (then (return (i32.const 0))))
            (local.set $p (i32.add (local.get $p) (i32.const 1)))
            (br $done)))
        ;; { and [ differ in one bit, and so do } and ].
        (if (i32.eq (i32.or (local.get $c) (i32.const 0x20)) (i32.const 0x7b))
          (then
            (local.set $p (call $space (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
            (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
            (if (i32.eq (i32.load8_u (local.get $p)) (i32.add (local.get $c) (i32.const 2)))
              (then
                (local.set $p (i32.add (local.get $p) (i32.const 1)))
                (br $done)))
            (if (i32.ge_u (local.get $depth) (i32.const 4096)) (then (return (i32.const 0))))
            (i32.store8 offset=1024 (local.get $depth) (local.get $c))
            (local.set $depth (i32.add (local.get $depth) (i32.const 1)))
            (if (i32.eq (local.get $c) (i32.const 0x7b))
              (then
                (local.set $p (call $key (local.get $p) (local.get $end)))
                (if (i32.eqz (local.get $p)) (then (return (i32.const 0))))))
            (br $values)))
        (local.set $p (call $scalar (local.get $p) (local.get $end)))
        (if (i32.eqz (local.get $p)) (then (return (i32.const 0)))))
      (loop $behind
        (if (i32.eqz (local.get $depth)) (then (return (local.get $p))))
        (if (i32.le_u (i32.load8_u (local.get $p)) (i32.const 0x20))
          (then (local.set $p (call $space (local.get $p) (local.get $end)))))
        (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
        (local.set $c (i32.load8_u (local.get $p)))
        (if (i32.eq (local.get $c) (i32.const 0x2c))
          (then
            (local.set $p (call $space (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
            (if (i32.eq (i32.load8_u offset=1023 (local.get $depth)) (i32.const 0x7b))
              (then
                (local.set $p (call $key (local.get $p) (local.get $end)))
                (if (i32.eqz (local.get $p)) (then (return (i32.const 0))))))
            (br $values)))
        (if (i32.ne (local.get $c) (i32.add (i32.load8_u offset=1023 (local.get $depth)) (i32.const 2)))
          (then (return (i32.const 0))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
        (br $behind)))
    (unreachable))

  ;; Stands behind a key's opening quote: at the closing one; 0 where there is an escape, or no end.
  (func $plain_key (param $p i32) (param $end i32) (result i32)
    (local $m i32) (local $v v128)
    (loop $again
      (local.set $v (v128.load (local.get $p)))
      (local.set $m (i8x16.bitmask
        (v128.or
          (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x22)))
          (v128.or
            (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x5c)))
            (i8x16.lt_u (local.get $v) (i8x16.splat (i32.const 0x20)))))))
      (if (i32.eqz (local.get $m))
        (then
          (local.set $p (i32.add (local.get $p) (i32.const 16)))
          (br_if $again (i32.lt_u (local.get $p) (local.get $end)))
          (return (i32.const 0)))))
    (local.set $p (i32.add (local.get $p) (i32.ctz (local.get $m))))
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
    (select (local.get $p) (i32.const 0) (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x22))))

  ;; Which of the wanted names a key is: from 0; -1 none.
  (func $wanted (param $p i32) (param $length i32) (param $names i32) (result i32)
    (local $v v128) (local $i i32)
    (if (i32.ge_u (local.get $length) (i32.const 16)) (then (return (i32.const -1))))
    (local.set $v (v128.and
      (v128.load (local.get $p))
      (v128.load offset=64 (i32.shl (local.get $length) (i32.const 4)))))
    (block $none
      (loop $again
        (br_if $none (i32.ge_u (local.get $i) (local.get $names)))
        (if (i8x16.all_true (i8x16.eq (local.get $v) (v128.load offset=512 (i32.shl (local.get $i) (i32.const 4)))))
          (then (return (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $again)))
    (i32.const -1))

  ;; Which of the known keys a key is: from 0; 255 none. The one after the last that was met is looked at first.
  (func $known (param $p i32) (param $length i32) (result i32)
    (local $place i32) (local $tries i32) (local $slot i32) (local $i i32) (local $left i32)
    (if (i32.ge_u (local.get $length) (i32.const 48)) (then (return (i32.const 255))))
    (local.set $place (i32.load (i32.const 20)))
    (local.set $tries (i32.load (i32.const 16)))
    (block $none
      (loop $again
        (br_if $none (i32.eqz (local.get $tries)))
        (if (i32.ge_u (local.get $place) (i32.load (i32.const 16))) (then (local.set $place (i32.const 0))))
        (local.set $slot (i32.mul (local.get $place) (i32.const 48)))
        (block $other
          (br_if $other (i32.ne (i32.load8_u offset=57391 (local.get $slot)) (local.get $length)))
          (local.set $i (i32.const 0))
          (loop $parts
            (local.set $left (i32.sub (local.get $length) (local.get $i)))
            (if (i32.gt_u (local.get $left) (i32.const 16)) (then (local.set $left (i32.const 16))))
            (br_if $other (i32.eqz (i8x16.all_true (i8x16.eq
              (v128.and
                (v128.load (i32.add (local.get $p) (local.get $i)))
                (v128.load offset=64 (i32.shl (local.get $left) (i32.const 4))))
              (v128.and
                (v128.load offset=57344 (i32.add (local.get $slot) (local.get $i)))
                (v128.load offset=64 (i32.shl (local.get $left) (i32.const 4))))))))
            (local.set $i (i32.add (local.get $i) (i32.const 16)))
            (br_if $parts (i32.lt_u (local.get $i) (local.get $length))))
          (i32.store (i32.const 20) (i32.add (local.get $place) (i32.const 1)))
          (return (local.get $place)))
        (local.set $place (i32.add (local.get $place) (i32.const 1)))
        (local.set $tries (i32.sub (local.get $tries) (i32.const 1)))
        (br $again)))
    (i32.const 255))

  ;; Stands at an object's brace: behind it, with the places of the wanted members in the record; else 0.
  (func $object (param $p i32) (param $end i32) (param $names i32) (param $record i32) (result i32)
    (local $q i32) (local $i i32)
    (local.set $p (call $space (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
    (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x7d))
      (then (return (i32.add (local.get $p) (i32.const 1)))))
    (loop $members
      (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
      (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x22)) (then (return (i32.const 0))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (local.set $q (call $plain_key (local.get $p) (local.get $end)))
      (if (i32.eqz (local.get $q)) (then (return (i32.const 0))))
      (local.set $i (call $wanted (local.get $p) (i32.sub (local.get $q) (local.get $p)) (local.get $names)))
      (local.set $p (call $colon (i32.add (local.get $q) (i32.const 1)) (local.get $end)))
      (if (i32.eqz (local.get $p)) (then (return (i32.const 0))))
      (local.set $q (call $value (local.get $p) (local.get $end)))
      (if (i32.eqz (local.get $q)) (then (return (i32.const 0))))
      (if (i32.ge_s (local.get $i) (i32.const 0))
        (then
          (local.set $i (i32.add (local.get $record) (i32.shl (local.get $i) (i32.const 3))))
          ;; The same key again is the reader's.
          (if (i32.load offset=8 (local.get $i)) (then (return (i32.const 0))))
          (i32.store offset=8 (local.get $i) (local.get $p))
          (i32.store offset=12 (local.get $i) (local.get $q))))
      (local.set $p (local.get $q))
      ;; A call costs more than this look. Behind the end it may see anything.
      (if (i32.le_u (i32.load8_u (local.get $p)) (i32.const 0x20))
        (then (local.set $p (call $space (local.get $p) (local.get $end)))))
      (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
      (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x2c))
        (then
          (local.set $p (call $space (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
          (br $members))))
    (select (i32.add (local.get $p) (i32.const 1)) (i32.const 0) (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x7d))))

  ;; Items of an array, from behind one (or behind the bracket, then not $started): a record of each, as
  ;; long as there are whole ones and room for $max. Stops in front of the closing bracket, and of an object
  ;; with a key that has an escape or is wanted and there twice. A record: start and end, and start and end
  ;; of each wanted member, 0 where there is none.
  (func (export "items") (param $p i32) (param $end i32) (param $started i32) (param $names i32) (param $max i32)
    (local $count i32) (local $record i32) (local $next i32) (local $start i32) (local $size i32)
    (local.set $record (i32.const 8192))
    (local.set $size (i32.add (i32.const 8) (i32.shl (local.get $names) (i32.const 3))))
    (i32.store (i32.const 8) (i32.const 0))
    (local.set $next (local.get $p))
    (block $stop
      (loop $items
        (br_if $stop (i32.ge_u (local.get $count) (local.get $max)))
        (local.set $p (call $space (local.get $next) (local.get $end)))
        (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))
        (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x5d))
          (then
            (i32.store (i32.const 8) (i32.const 1))
            (br $stop)))
        (if (local.get $started)
          (then
            (br_if $stop (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x2c)))
            (local.set $p (call $space (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
            (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))))
        (local.set $start (local.get $p))
        (memory.fill (local.get $record) (i32.const 0) (local.get $size))
        (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x7b))
          (then (local.set $p (call $object (local.get $p) (local.get $end) (local.get $names) (local.get $record))))
          (else (local.set $p (call $value (local.get $p) (local.get $end)))))
        (br_if $stop (i32.eqz (local.get $p)))
        (i32.store (local.get $record) (local.get $start))
        (i32.store offset=4 (local.get $record) (local.get $p))
        (local.set $record (i32.add (local.get $record) (local.get $size)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $started (i32.const 1))
        (local.set $next (local.get $p))
        (br $items)))
    (i32.store (i32.const 0) (local.get $next))
    (i32.store (i32.const 4) (local.get $count)))

  ;; Whether this is a number above zero of at most 40 digits and points that begins with a digit, as times are.
  (func $time (param $p i32) (param $end i32) (result i32)
    (local $c i32)
    (if (i32.gt_u (i32.sub (i32.sub (local.get $end) (local.get $p)) (i32.const 1)) (i32.const 39))
      (then (return (i32.const 0))))
    (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x30)) (then (return (i32.const 0))))
    (if (i32.eqz (call $digit (local.get $p))) (then (return (i32.const 0))))
    (loop $again
      (local.set $c (i32.load8_u (local.get $p)))
      (if (i32.eqz (i32.or
            (i32.lt_u (i32.sub (local.get $c) (i32.const 0x30)) (i32.const 10))
            (i32.eq (local.get $c) (i32.const 0x2e))))
        (then (return (i32.const 0))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $p) (local.get $end))))
    (i32.const 1))

  ;; Whether a member that may not be there, at this place of the record, is null or such a number.
  (func $time_or_none (param $member i32) (result i32)
    (local $p i32)
    (local.set $p (i32.load (local.get $member)))
    (if (i32.eqz (local.get $p)) (then (return (i32.const 1))))
    (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x6e)) (then (return (i32.const 1))))
    (call $time (local.get $p) (i32.load offset=4 (local.get $member))))

  ;; Messages of an array, as items are walked: how many there are, how many of them have the role "user", and
  ;; the last time that counts, of those whose role is not "tool": _ts, else timestamp. Stops in front of a
  ;; message that does not spell that plainly: whose role is no string or has an escape, whose times are
  ;; anything but numbers above zero or null, or that is an interrupted answer. The names are role, timestamp,
  ;; _ts and _partial.
  (func (export "messages") (param $p i32) (param $end i32) (param $started i32) (param $names i32)
    (local $count i32) (local $users i32) (local $next i32) (local $q i32) (local $role i32)
    (i32.store (i32.const 8) (i32.const 0))
    (i32.store (i32.const 28) (i32.const 0))
    (local.set $next (local.get $p))
    (block $stop
      (loop $items
        (local.set $p (call $space (local.get $next) (local.get $end)))
        (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))
        (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x5d))
          (then
            (i32.store (i32.const 8) (i32.const 1))
            (br $stop)))
        (if (local.get $started)
          (then
            (br_if $stop (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x2c)))
            (local.set $p (call $space (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
            (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))))
        (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x7b))
          (then
            (memory.fill (i32.const 8192) (i32.const 0) (i32.const 40))
            (local.set $p (call $object (local.get $p) (local.get $end) (local.get $names) (i32.const 8192)))
            (br_if $stop (i32.eqz (local.get $p)))
            ;; 1 for the user, 2 for a tool.
            (local.set $role (i32.const 0))
            (local.set $q (i32.load (i32.const 8200)))
            (if (local.get $q)
              (then
                (br_if $stop (i32.ne (i32.load8_u (local.get $q)) (i32.const 0x22)))
                (if (i32.eq (i32.sub (i32.load (i32.const 8204)) (local.get $q)) (i32.const 6))
                  (then
                    (if (i32.eq (i32.load offset=1 (local.get $q)) (i32.const 0x72657375))
                      (then (local.set $role (i32.const 1))))
                    (if (i32.eq (i32.load offset=1 (local.get $q)) (i32.const 0x6c6f6f74))
                      (then (local.set $role (i32.const 2))))))
                (if (i32.eqz (local.get $role))
                  (then
                    (loop $plain
                      (br_if $stop (i32.eq (i32.load8_u (local.get $q)) (i32.const 0x5c)))
                      (local.set $q (i32.add (local.get $q) (i32.const 1)))
                      (br_if $plain (i32.lt_u (local.get $q) (i32.load (i32.const 8204)))))))))
            (br_if $stop (i32.eqz (call $time_or_none (i32.const 8208))))
            (br_if $stop (i32.eqz (call $time_or_none (i32.const 8216))))
            ;; Whether an interrupted answer counts hangs on its text.
            (local.set $q (i32.load (i32.const 8224)))
            (if (local.get $q) (then (br_if $stop (i32.ne (i32.load8_u (local.get $q)) (i32.const 0x66)))))
            (local.set $users (i32.add (local.get $users) (i32.eq (local.get $role) (i32.const 1))))
            (if (i32.ne (local.get $role) (i32.const 2))
              (then
                (local.set $q (i32.const 8216))
                (if (i32.eqz (call $is_number (local.get $q))) (then (local.set $q (i32.const 8208))))
                (if (call $is_number (local.get $q))
                  (then
                    (i32.store (i32.const 28) (i32.load (local.get $q)))
                    (i32.store (i32.const 32) (i32.load offset=4 (local.get $q))))))))
          (else
            (local.set $p (call $value (local.get $p) (local.get $end)))
            (br_if $stop (i32.eqz (local.get $p)))))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $started (i32.const 1))
        (local.set $next (local.get $p))
        (br $items)))
    (i32.store (i32.const 0) (local.get $next))
    (i32.store (i32.const 4) (local.get $count))
    (i32.store (i32.const 24) (local.get $users)))

  ;; Whether a member, at this place of the record, is there and is not null.
  (func $is_number (param $member i32) (result i32)
    (local $p i32)
    (local.set $p (i32.load (local.get $member)))
    (if (i32.eqz (local.get $p)) (then (return (i32.const 0))))
    (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x6e)))

  ;; Members of an object in the same way, a record of each: start and end of the key, quotes included,
  ;; and of the value; which known key it is, and in the next byte the first of the value. Stops in front
  ;; of a member that is one of the names, or whose key has an escape.
  (func (export "members") (param $p i32) (param $end i32) (param $started i32) (param $names i32) (param $max i32)
    (local $count i32) (local $record i32) (local $next i32) (local $start i32) (local $q i32)
    (local.set $record (i32.const 8192))
    (i32.store (i32.const 8) (i32.const 0))
    (if (i32.eqz (local.get $started)) (then (i32.store (i32.const 20) (i32.const 0))))
    (local.set $next (local.get $p))
    (block $stop
      (loop $members
        (br_if $stop (i32.ge_u (local.get $count) (local.get $max)))
        (local.set $p (call $space (local.get $next) (local.get $end)))
        (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))
        (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x7d))
          (then
            (i32.store (i32.const 8) (i32.const 1))
            (br $stop)))
        (if (local.get $started)
          (then
            (br_if $stop (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x2c)))
            (local.set $p (call $space (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
            (br_if $stop (i32.ge_u (local.get $p) (local.get $end)))))
        (br_if $stop (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x22)))
        (local.set $start (local.get $p))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $q (call $plain_key (local.get $p) (local.get $end)))
        (br_if $stop (i32.eqz (local.get $q)))
        (br_if $stop (i32.ge_s
          (call $wanted (local.get $p) (i32.sub (local.get $q) (local.get $p)) (local.get $names))
          (i32.const 0)))
        (i32.store offset=16 (local.get $record)
          (call $known (local.get $p) (i32.sub (local.get $q) (local.get $p))))
        (local.set $q (i32.add (local.get $q) (i32.const 1)))
        (i32.store (local.get $record) (local.get $start))
        (i32.store offset=4 (local.get $record) (local.get $q))
        (local.set $p (call $colon (local.get $q) (local.get $end)))
        (br_if $stop (i32.eqz (local.get $p)))
        (local.set $q (call $value (local.get $p) (local.get $end)))
        (br_if $stop (i32.eqz (local.get $q)))
        (i32.store offset=8 (local.get $record) (local.get $p))
        (i32.store offset=12 (local.get $record) (local.get $q))
        (i32.store8 offset=17 (local.get $record) (i32.load8_u (local.get $p)))
        (local.set $record (i32.add (local.get $record) (i32.const 20)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $started (i32.const 1))
        (local.set $next (local.get $q))
        (br $members)))
    (i32.store (i32.const 0) (local.get $next))
    (i32.store (i32.const 4) (local.get $count)))

  ;; What a hexadecimal digit stands for; 16 and more for what is none.
  (func $hex (param $c i32) (result i32)
    (local $d i32)
    (local.set $d (i32.sub (local.get $c) (i32.const 0x30)))
    (if (i32.lt_u (local.get $d) (i32.const 10)) (then (return (local.get $d))))
    (local.set $d (i32.sub (i32.or (local.get $c) (i32.const 0x20)) (i32.const 0x61)))
    (select (i32.add (local.get $d) (i32.const 10)) (i32.const 16) (i32.lt_u (local.get $d) (i32.const 6))))

  ;; Whether here stands \u00 with the code of a character of the needle.
  (func $escaped (param $p i32) (param $end i32) (result i32)
    (local $h i32) (local $l i32)
    (if (i32.gt_u (i32.add (local.get $p) (i32.const 6)) (local.get $end)) (then (return (i32.const 0))))
    (if (i32.ne (i32.load (local.get $p)) (i32.const 0x3030755c)) (then (return (i32.const 0))))
    (local.set $h (call $hex (i32.load8_u offset=4 (local.get $p))))
    (local.set $l (call $hex (i32.load8_u offset=5 (local.get $p))))
    (if (i32.or (i32.ge_u (local.get $h) (i32.const 8)) (i32.ge_u (local.get $l) (i32.const 16)))
      (then (return (i32.const 0))))
    (i32.and (i32.const 1)
      (i32.shr_u
        (i32.load8_u offset=480 (i32.or (i32.shl (local.get $h) (i32.const 1)) (i32.shr_u (local.get $l) (i32.const 3))))
        (i32.and (local.get $l) (i32.const 7)))))

  ;; The first place from $p on at which the needle of $length bytes stands, at least 2, or $escaped; else the end.
  (func (export "find") (param $p i32) (param $end i32) (param $length i32) (result i32)
    (local $v v128) (local $w v128) (local $m i32) (local $q i32) (local $i i32) (local $c i32)
    (local $first v128) (local $first2 v128) (local $second v128) (local $second2 v128)
    (local.set $first (v128.load8_splat offset=352 (i32.const 0)))
    (local.set $first2 (v128.load8_splat offset=416 (i32.const 0)))
    (local.set $second (v128.load8_splat offset=353 (i32.const 0)))
    (local.set $second2 (v128.load8_splat offset=417 (i32.const 0)))
    (block $none
      (loop $blocks
        (br_if $none (i32.ge_u (local.get $p) (local.get $end)))
        (local.set $v (v128.load (local.get $p)))
        (local.set $w (v128.load offset=1 (local.get $p)))
        (local.set $m (i8x16.bitmask
          (v128.or
            (v128.and
              (v128.or (i8x16.eq (local.get $v) (local.get $first)) (i8x16.eq (local.get $v) (local.get $first2)))
              (v128.or (i8x16.eq (local.get $w) (local.get $second)) (i8x16.eq (local.get $w) (local.get $second2))))
            (v128.and
              (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x5c)))
              (i8x16.eq (local.get $w) (i8x16.splat (i32.const 0x75)))))))
        (block $next
          (loop $hits
            (br_if $next (i32.eqz (local.get $m)))
            (local.set $q (i32.add (local.get $p) (i32.ctz (local.get $m))))
            (local.set $m (i32.and (local.get $m) (i32.sub (local.get $m) (i32.const 1))))
            (if (i32.eq (i32.load8_u (local.get $q)) (i32.const 0x5c))
              (then
                (if (call $escaped (local.get $q) (local.get $end)) (then (return (local.get $q))))
                (br $hits)))
            (br_if $hits (i32.gt_u (i32.add (local.get $q) (local.get $length)) (local.get $end)))
            (local.set $i (i32.const 2))
            (block $whole
              (loop $bytes
                (br_if $whole (i32.ge_u (local.get $i) (local.get $length)))
                (local.set $c (i32.load8_u (i32.add (local.get $q) (local.get $i))))
                (br_if $hits (i32.and
                  (i32.ne (local.get $c) (i32.load8_u offset=352 (local.get $i)))
                  (i32.ne (local.get $c) (i32.load8_u offset=416 (local.get $i)))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $bytes)))
            (return (local.get $q))))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (br $blocks)))
    (local.get $end))
)
