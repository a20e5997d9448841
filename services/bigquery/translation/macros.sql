-- Macros that the rules of the translation call, in DuckDB's SQL.

-- Text of INT64 that is hexadecimal, in decimal digits; DuckDB casts it without a sign, spaces or zeros in front only.
CREATE MACRO _decimal_digits(x) AS CASE
    WHEN NOT regexp_full_match(x, '\s*[+-]?0[xX][0-9a-fA-F]+\s*') THEN x
    WHEN regexp_full_match(x, '\s*-0[xX]0*8000000000000000\s*') THEN '-9223372036854775808'
    ELSE coalesce(
        regexp_extract(x, '-') || CAST(TRY_CAST('0x' || regexp_extract(x, '[xX]0*([0-9a-fA-F]+)', 1) AS BIGINT) AS VARCHAR), x
    )
END;

-- Text of FLOAT64: 15 digits, or 17 where 15 are another number.
CREATE MACRO _float_text(x) AS CASE
    WHEN x = 0 THEN '0'
    WHEN CAST(printf('%.15g', x) AS DOUBLE) = x THEN printf('%.15g', x)
    ELSE printf('%.17g', x)
END;

-- Text of NUMERIC: no zeros after the last digit.
CREATE MACRO _decimal_text(x) AS regexp_replace(regexp_replace(CAST(x AS VARCHAR), '(\.\d*?)0+$', '\1'), '\.$', '');

-- Text of a time: a fraction has 3 or 6 digits.
CREATE MACRO _time_text(x) AS regexp_replace(
    regexp_replace(CAST(x AS VARCHAR), '\.(\d|\d{4})([+-]|$)', '.\100\2'), '\.(\d\d|\d{5})([+-]|$)', '.\10\2'
);

-- Text of a value whose type the translation does not know.
CREATE MACRO _any_text(x) AS CASE
    WHEN typeof(x) LIKE 'DECIMAL%' THEN bq.main._decimal_text(x)
    WHEN typeof(x) = 'DOUBLE' THEN bq.main._float_text(CAST(CAST(x AS VARCHAR) AS DOUBLE))
    WHEN typeof(x) IN ('TIME', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE') THEN bq.main._time_text(x)
    ELSE CAST(x AS VARCHAR)
END;

CREATE MACRO _non_negative(n, message) AS CASE WHEN n < 0 THEN _raise(message) ELSE n END;

-- A position below 1 counts from the end; 0, or one before the start, is 1.
CREATE MACRO _position(s, p) AS CASE WHEN p = 0 OR p < -length(s) THEN 1 ELSE p END;

CREATE MACRO _ascii(s) AS CASE
    WHEN s = '' THEN 0
    WHEN unicode(s) > 127 THEN _raise('Argument to ASCII is not a structurally valid ASCII string: ''' || s || '''')
    ELSE unicode(s)
END;

-- BigQuery refuses what is not a finite number, unless an argument was none.
CREATE MACRO _finite(x, argument, name) AS CASE
    WHEN isfinite(argument) AND NOT isfinite(x) THEN _raise('Floating point error in function: ' || name) ELSE x
END;

CREATE MACRO _fraction_seconds(ts) AS strftime(ts, '%S') || CASE
    WHEN microsecond(ts) % 1000000 = 0 THEN ''
    ELSE '.' || rtrim(lpad(CAST(microsecond(ts) % 1000000 AS VARCHAR), 6, '0'), '0') END;

CREATE MACRO _valid_json(s) AS CASE WHEN json_valid(s) THEN s END;

-- JSON's null is SQL's NULL.
CREATE MACRO _not_json_null(j) AS CASE WHEN CAST(j AS VARCHAR) <> 'null' THEN j END;

-- FORMAT's text of FLOAT64: a whole number has a digit after the point.
CREATE MACRO _float_literal(x) AS regexp_replace(bq.main._float_text(x), '^(-?\d+)$', '\1.0');

-- FORMAT's literal of STRING.
CREATE MACRO _string_literal(s) AS CASE
    WHEN regexp_matches(s, '["\\\x00-\x1f\x7f]')
    THEN _raise('FORMAT with %T of a text with quotes or escapes: BigQuery does otherwise; not supported locally')
    ELSE '"' || s || '"'
END;

CREATE MACRO _json_scalar(j, value, written) AS CASE WHEN json_type(j) = 'DOUBLE' THEN written ELSE value END;

CREATE MACRO _array_or_null(j, a) AS CASE WHEN json_type(j) = 'ARRAY' THEN a END;

CREATE MACRO _scalars_or_null(j, a) AS CASE
    WHEN json_type(j) = 'ARRAY' AND len(list_filter(
        CAST(j AS JSON[]), e -> json_type(e) IN ('ARRAY', 'OBJECT')
    )) = 0 THEN a
END;
