package statement

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// stable are the built-in functions whose value depends on their arguments and the session alone, so that the image
// query computes what the statement will. Others may only be used in values, where the image shows the result.
var stable = func() map[string]bool {
	set := names(`
abs acos asin atan atan2 ceil ceiling conv cos cot crc32 crc32c degrees exp floor ln log log2 log10 mod pi pow
power radians round sign sin sqrt tan truncate coalesce greatest least interval if ifnull isnull nullif nvl
nvl2 decode_oracle adddate addtime convert_tz date date_add date_format date_sub datediff day dayname
dayofmonth dayofweek dayofyear extract from_days from_unixtime get_format hour makedate maketime microsecond
minute month monthname period_add period_diff quarter sec_to_time second str_to_date subdate subtime time
time_format time_to_sec timediff timestamp timestampadd timestampdiff to_days to_seconds week weekday
weekofyear year yearweek last_day ascii bin bit_count bit_length char char_func char_length character_length
concat concat_ws elt export_set field find_in_set format from_base64 hex insert insert_func instr lcase left
length locate lower lpad ltrim make_set mid oct octet_length ord position quote repeat replace reverse right
rpad rtrim space strcmp substr substring substring_index soundex to_base64 trim ucase unhex upper
weight_string convert charset coercibility collation cast binary regexp_like regexp_substr regexp_instr
regexp_replace inet_aton inet_ntoa inet6_aton inet6_ntoa is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid
uuid_to_bin bin_to_uuid aes_decrypt aes_encrypt compress uncompress uncompressed_length md5 sha sha1 sha2
encode decode json_array json_array_append json_array_insert json_contains json_contains_path json_depth
json_extract json_insert json_keys json_length json_memberof json_merge json_merge_patch json_merge_preserve
json_object json_overlaps json_pretty json_quote json_remove json_replace json_schema_valid json_search
json_set json_type json_unquote json_valid json_value json_compact json_detailed json_exists json_loose
json_query json_storage_size connection_id current_user current_role session_user system_user user database
schema version name_const st_distance st_contains st_within st_intersects st_geomfromtext st_astext st_x st_y
point values row getvar
`)
	for _, literal := range []string{ast.DateLiteral, ast.TimeLiteral, ast.TimestampLiteral} {
		set[literal] = true
	}
	return set
}()

// volatile are the other built-in functions: they give another value each time, or read the clock. None writes rows.
var volatile = func() map[string]bool {
	return names(`
rand uuid uuid_short uuid_v4 uuid_v7 random_bytes now curdate current_date current_time current_timestamp
curtime localtime localtimestamp sysdate unix_timestamp utc_date utc_time utc_timestamp last_insert_id
any_value sleep benchmark get_lock release_lock release_all_locks is_free_lock is_used_lock load_file nextval
lastval setval password encrypt sys_guid default_func setvar
`)
}()

// previous are the functions that ask about the previous statement.
var previous = map[string]bool{"found_rows": true, "row_count": true}

func names(list string) map[string]bool {
	set := make(map[string]bool)
	for _, name := range strings.Fields(list) {
		set[name] = true
	}
	return set
}
