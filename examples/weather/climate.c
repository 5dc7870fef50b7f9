/*
 * climate DIRECTORY [FILE]: the climate of each place in a directory of daily weather records.
 *
 * Reads every file below DIRECTORY as CSV with the columns location, date, precipitation, temp_max and temp_min, in any order
 * and among others, a line at a time. Prints a table by month for each place. FILE, if given, receives one CSV line for every
 * place and month of the calendar. Sums are kept in whole tenths, so the result does not depend on the order of the files.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MONTHS = 12, LONGEST_PATH = 4096, LONGEST_PLACE = 64, MOST_COLUMNS = 64, WET_TENTHS = 10 };
enum { LOCATION, DATE, RAIN, MAX, MIN, WANTED };

static const char *const COLUMNS[WANTED] = {"location", "date", "precipitation", "temp_max", "temp_min"};
static const char *const MONTH_NAMES[MONTHS] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* The records of one place in one month of one year, or a sum of such; temperatures and rain in tenths. */
struct month {
    char place[LONGEST_PLACE];
    int year, month;
    long days, wet_days;
    long long max_sum, min_sum, rain_sum;
    int highest, lowest;
};

static struct month *months;
static size_t month_count, month_room, file_count;

static struct month *month_of(const char *place, int year, int month) {
    /* Records mostly come in order, so the last one used is nearly always the one wanted. */
    static size_t last;
    for (size_t step = 0; step < month_count; step++) {
        size_t at = (last + step) % month_count;
        if (months[at].year == year && months[at].month == month && !strcmp(months[at].place, place)) {
            last = at;
            return &months[at];
        }
    }
    if (month_count == month_room) {
        month_room = month_room ? 2 * month_room : 256;
        months = realloc(months, month_room * sizeof *months);
        if (!months) {
            fputs("climate: out of memory\n", stderr);
            exit(1);
        }
    }
    last = month_count++;
    months[last] = (struct month){.year = year, .month = month, .highest = -10000, .lowest = 10000};
    strcpy(months[last].place, place);
    return &months[last];
}

static void add(struct month *sum, const struct month *part) {
    sum->days += part->days;
    sum->wet_days += part->wet_days;
    sum->max_sum += part->max_sum;
    sum->min_sum += part->min_sum;
    sum->rain_sum += part->rain_sum;
    if (part->highest > sum->highest) sum->highest = part->highest;
    if (part->lowest < sum->lowest) sum->lowest = part->lowest;
}

/* A number with at most one decimal as tenths. */
static bool tenths_of(const char *text, int *tenths) {
    bool negative = *text == '-';
    if (negative) text++;
    int value = 0, digits = 0;
    for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++) value = value * 10 + (*text - '0');
    value *= 10;
    if (*text == '.' && text[1] >= '0' && text[1] <= '9') {
        value += text[1] - '0';
        text += 2;
    }
    *tenths = negative ? -value : value;
    return digits > 0 && *text == '\0';
}

static int split(char *line, char *fields[MOST_COLUMNS]) {
    line[strcspn(line, "\r\n")] = '\0';
    int count = 0;
    for (char *field = line; field && count < MOST_COLUMNS; count++) {
        fields[count] = field;
        field = strchr(field, ',');
        if (field) *field++ = '\0';
    }
    return count;
}

static bool take(char *fields[MOST_COLUMNS], int count, const int columns[WANTED]) {
    for (int i = 0; i < WANTED; i++)
        if (columns[i] >= count) return false;
    int year, month, day, rain, max, min;
    const char *place = fields[columns[LOCATION]];
    if (sscanf(fields[columns[DATE]], "%4d-%2d-%2d", &year, &month, &day) != 3 || month < 1 || month > MONTHS) return false;
    if (!tenths_of(fields[columns[RAIN]], &rain) || !tenths_of(fields[columns[MAX]], &max)) return false;
    if (!tenths_of(fields[columns[MIN]], &min) || strlen(place) >= LONGEST_PLACE) return false;
    struct month one = {.days = 1, .wet_days = rain >= WET_TENTHS, .max_sum = max, .min_sum = min, .rain_sum = rain};
    one.highest = max;
    one.lowest = min;
    add(month_of(place, year, month), &one);
    return true;
}

static bool read_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) return perror(path), false;
    char *line = NULL, *fields[MOST_COLUMNS];
    size_t room = 0;
    int columns[WANTED];
    memset(columns, -1, sizeof columns);
    int count = getline(&line, &room, file) > 0 ? split(line, fields) : 0;
    for (int i = 0; i < count; i++)
        for (int wanted = 0; wanted < WANTED; wanted++)
            if (!strcmp(fields[i], COLUMNS[wanted])) columns[wanted] = i;
    bool good = true;
    for (int wanted = 0; wanted < WANTED && good; wanted++) {
        good = columns[wanted] >= 0;
        if (!good) fprintf(stderr, "climate: %s has no column %s\n", path, COLUMNS[wanted]);
    }
    for (long number = 2; good && getline(&line, &room, file) > 0; number++) {
        count = split(line, fields);
        good = take(fields, count, columns);
        if (!good) fprintf(stderr, "climate: %s, line %ld is no daily record\n", path, number);
    }
    file_count++;
    free(line);
    fclose(file);
    return good;
}

static bool read_directory(const char *path) {
    DIR *directory = opendir(path);
    if (!directory) return perror(path), false;
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        char below[LONGEST_PATH];
        struct stat status;
        if (snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= (int)sizeof below || stat(below, &status)) {
            perror(entry->d_name);
            good = false;
        } else {
            good = S_ISDIR(status.st_mode) ? read_directory(below) : read_file(below);
        }
    }
    closedir(directory);
    return good;
}

static int by_place_and_time(const void *left, const void *right) {
    const struct month *a = left, *b = right;
    int places = strcmp(a->place, b->place);
    return places ? places : (a->year - b->year) * MONTHS + a->month - b->month;
}

static double mean(long long tenths, long count) { return (double)tenths / 10 / (double)count; }

static void print_row(const char *name, const struct month *sum, long times) {
    printf("%-6s%6ld%10.1f%10.1f%10.1f%10.1f%10.1f%10.1f\n", name, sum->days, mean(sum->max_sum, sum->days),
           mean(sum->min_sum, sum->days), sum->highest / 10.0, sum->lowest / 10.0, mean(sum->rain_sum, times),
           (double)sum->wet_days / (double)times);
}

/* The table of the place whose months are first to end. */
static void print_place(const struct month *first, const struct month *end) {
    struct month by_month[MONTHS], year = {.highest = -10000, .lowest = 10000};
    long times[MONTHS] = {0};
    for (int i = 0; i < MONTHS; i++) by_month[i] = year;
    for (const struct month *one = first; one < end; one++) {
        add(&by_month[one->month - 1], one);
        add(&year, one);
        times[one->month - 1]++;
    }
    printf("%s, %d-%02d to %d-%02d\n\n", first->place, first->year, first->month, end[-1].year, end[-1].month);
    puts("        days  mean max  mean min   highest    lowest      rain  wet days");
    puts("                     C         C         C         C  mm/month  in month");
    for (int i = 0; i < MONTHS; i++)
        if (times[i]) print_row(MONTH_NAMES[i], &by_month[i], times[i]);
    print_row("all", &year, (long)(end - first));
    puts("");
}

static bool write_months(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) return perror(path), false;
    fputs("location,month,days,mean_max_c,mean_min_c,highest_c,lowest_c,rain_mm,wet_days\n", file);
    for (const struct month *one = months; one < months + month_count; one++)
        fprintf(file, "%s,%d-%02d,%ld,%.1f,%.1f,%.1f,%.1f,%.1f,%ld\n", one->place, one->year, one->month, one->days,
                mean(one->max_sum, one->days), mean(one->min_sum, one->days), one->highest / 10.0, one->lowest / 10.0,
                mean(one->rain_sum, 1), one->wet_days);
    if (fclose(file)) return perror(path), false;
    return true;
}

int main(int count, char **arguments) {
    if (count < 2 || count > 3) {
        fputs("usage: climate DIRECTORY [FILE]\n", stderr);
        return 2;
    }
    if (!read_directory(arguments[1])) return 1;
    if (!month_count) {
        fprintf(stderr, "climate: there is no record below %s\n", arguments[1]);
        return 1;
    }
    qsort(months, month_count, sizeof *months, by_place_and_time);
    long days = 0;
    for (size_t first = 0, at = 0; at < month_count; at++) {
        days += months[at].days;
        if (at + 1 < month_count && !strcmp(months[at].place, months[at + 1].place)) continue;
        print_place(months + first, months + at + 1);
        first = at + 1;
    }
    printf("%ld days in %zu files\n", days, file_count);
    return count == 3 && !write_months(arguments[2]);
}
